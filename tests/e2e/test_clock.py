"""The clock: told by every reply of the host, right after days without power and at New Year."""

from datetime import timedelta

import pytest

from host_tools.bench import stories
from tests.e2e import desk
from tests.e2e.desk import log_in
from tests.e2e.kit import press_until, signed_on

DAY = 86400


def days_later(b, days):
    """Power off for ``days``, then on and logged in over a line that is dead."""
    b.power_cut()
    b.clock.advance(days * DAY)
    b.line.cut()
    b.power_on()
    log_in(b)
    b.to_idle()
    b.line.restore()


def test_a_sale_after_days_without_power_and_a_dead_line_carries_the_hosts_date(make_bench):
    b = signed_on(make_bench())
    days_later(b, 3)
    sale = stories.sale(b, 1000)
    assert abs(sale.time - b.clock.now) < timedelta(minutes=2)
    assert f"{b.clock.now:%Y-%m-%d}" in b.rig.paper.receipts[-1]
    refund = stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 400)
    assert refund.state == "approved"
    assert b.host.ledger().balance("merchant") == 600


def test_when_the_echo_is_lost_the_slip_has_the_date_of_the_sales_own_reply(make_bench):
    b = signed_on(make_bench(settings={"reply_seconds": 10}))
    days_later(b, 3)
    b.host.rule("echo", drop=True, times=None)
    b.swipe(stories.CARD)
    b.press("ENTER")
    b.type("1000")
    b.press("ENTER")
    b.type(stories.PIN)
    b.press("ENTER")
    b.wait_for("交易成功", timeout=60)
    stories.finish(b)
    sale = b.journal()[-1]
    slip = b.rig.paper.receipts[-1]
    assert f"{b.clock.now:%Y-%m-%d}" in slip, slip
    refund = stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 400)
    assert refund.state == "approved"
    # From the reply on the clock is right.
    assert abs(refund.time - b.clock.now) < timedelta(minutes=2)


def test_one_wrong_clock_of_the_host_does_not_move_the_year(make_bench):
    b = signed_on(make_bench())
    year = b.clock.now.year
    for _ in range(2):  # never again and again either
        b.host.rule("sign-on", wrong_field=(13, "0605"))
        b.choose("签到")
        b.to_idle()
        b.power_cut()
        b.power_on()
        b.sign_on()
        b.choose("签到")
        b.to_idle()
        sale = stories.sale(b, 1000)
        assert sale.time.year == year and abs(sale.time - b.clock.now) < timedelta(minutes=2)
    b.power_cut()
    b.clock.advance(2 * DAY)
    b.power_on()
    b.sign_on()
    assert abs(stories.sale(b, 1200).time - b.clock.now) < timedelta(minutes=2)


def test_a_host_that_is_a_minute_behind_at_new_year_does_not_move_the_year(make_bench):
    b = make_bench()
    b.clock.advance((b.clock.now.replace(month=12, day=31, hour=23, minute=59, second=30)
                     - b.clock.now).total_seconds())
    signed_on(b)
    b.clock.advance(60)
    year = b.clock.now.year
    assert b.clock.now.month == 1
    b.host.rule("sign-on", wrong_field=(13, "1231"))
    b.choose("签到")
    b.to_idle()
    b.choose("签到")
    b.to_idle()
    sale = stories.sale(b, 1000)
    assert sale.time.year == year and abs(sale.time - b.clock.now) < timedelta(minutes=2)


@pytest.mark.slow  # a week of a terminal's seconds
def test_a_reversal_is_tried_after_a_week_without_anybody(make_bench):
    b = signed_on(make_bench())
    stories.lost_sale(b, 2000)
    b.choose("换操作员")
    b.wait_for("操作员号")
    b.clock.advance(7 * DAY)
    assert b.journal()[-1].state == "reversal_due"
    log_in(b)
    press_until(b, "CANCEL", "请刷卡")
    b.clock.advance(30)
    assert b.journal()[-1].state == "reversed"
    assert desk.notes(b, "A")[-1].endswith("log-in")
    assert b.host.ledger().balance("merchant") == 0
