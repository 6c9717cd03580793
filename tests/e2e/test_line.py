"""The line cut, noisy, slow, doubled or hostile; no money is lost on it."""

import pytest

from host_tools.bench import invariants, stories
from tests.e2e.kit import PIN, ended_well, enter, spent, started


def test_a_line_that_comes_back_in_time_still_brings_the_reply(b):
    b.host.rule("sale", delay=25)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("正在接收")
    b.line.cut(seconds=35)
    b.wait_for("交易成功", timeout=60)
    b.to_idle()
    ended_well(b)


@pytest.mark.pico
def test_nothing_is_sent_into_a_dead_line(b):
    b.line.cut()
    stories.sale(b, 500, wait=False)
    b.wait_for("线路不通")
    assert b.shows("没有扣款")
    b.to_idle()
    assert b.journal() == [] and not b.shows("未完成")
    b.line.restore()
    stories.sale(b, 500)
    ended_well(b)


def test_the_screen_counts_down_while_the_host_is_slow(b):
    b.host.rule("sale", delay=30)
    started(b, 500)
    enter(b, PIN)
    b.wait_for("正在接收")
    first = "".join(b.screen()[1:])
    b.clock.advance(5)
    assert b.shows("正在接收") and "".join(b.screen()[1:]) != first
    b.wait_for("交易成功", timeout=60)


@pytest.mark.parametrize("ber", [1e-5, 1e-4, 3e-4])
def test_noise_costs_time_and_no_money(b, ber):
    b.line.noise(ber)
    for amount in (500, 600):
        stories.sale(b, amount, wait=False)
        b.clock.advance(75)
        b.to_idle()
    b.line.restore()
    stories.sale(b, 700)
    ended_well(b)


def test_a_sale_in_a_storm_of_faults(b):
    # Everything at once, sale after sale; whatever comes of them, the books agree in the end.
    faults = (
        lambda: b.line.drop_next("reply"), lambda: b.line.drop_next("request"),
        lambda: b.line.duplicate_next("reply"), lambda: b.line.duplicate_next("request"),
        lambda: b.line.delay_next("reply", 70), lambda: b.line.delay_next("request", 40),
        lambda: b.line.cut(after_bytes=150),
        lambda: b.host.rule("sale", approve_after_reversal=True),
        lambda: b.host.rule("reversal", drop=True),
        lambda: b.host.rule("sale", wrong_field=(4, None)),
    )
    for number, fault in enumerate(faults):
        fault()
        stories.sale(b, 500 + number, wait=False)
        b.clock.advance(80)
        b.line.restore()
        b.to_idle()
        invariants.check(b)
    stories.sale(b, 900)
    b.clock.advance(400)
    ended_well(b)
    assert spent(b) == sum(t.amount for t in b.journal() if t.state == "approved")
