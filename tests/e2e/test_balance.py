"""Balance enquiry (余额查询): shown, never printed, never reversed, worth no money."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import CARD, PIN, ended_well, enter, states


def asked(b, pin=PIN):
    b.choose("余额查询")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, pin)


def test_the_balance_is_shown_for_ten_seconds_and_never_printed(b):
    stories.sale(b, 5000)
    asked(b)
    b.wait_for("可用余额")
    assert b.shows("RMB 9,950.00")
    b.clock.advance(9)
    assert b.shows("9,950.00")
    b.clock.advance(2)
    assert not b.shows("9,950.00")
    assert "9,950" not in b.paper()
    assert states(b) == [("sale", "approved"), ("balance", "approved")]
    ended_well(b)


def test_without_an_answer_nothing_is_open(b):
    b.line.drop_next("reply")
    asked(b)
    b.clock.advance(62)
    b.to_idle()
    assert states(b) == [("balance", "absent")] and not b.shows("未完成")
    stories.sale(b, 500)
    assert not [e for e in b.trace() if "reversal" in e.operation]
    ended_well(b)


def test_a_balance_of_another_trace_is_not_shown(b):
    b.host.rule("balance", wrong_field=(11, "999999"))
    asked(b)
    b.wait_for("应答与请求不符")
    assert "F11:000002<>999999" in "".join(b.read()).replace(" ", "")
    assert not b.shows("10,000.00") and states(b) == [("balance", "absent")]


def test_a_wrong_pin_may_be_tried_again(b):
    asked(b, "111111")
    b.wait_for("密码错")
    b.press("CANCEL")
    enter(b, PIN)
    b.wait_for("可用余额")
    assert [t.state for t in b.journal()] == ["declined", "approved"]


def test_it_does_not_count_in_the_settlement(b):
    asked(b)
    b.wait_for("可用余额")
    b.to_idle()
    b.choose("结算")
    assert b.shows("无交易")


@pytest.mark.parametrize(("field", "zh"), [
    ("1002840C000000123456", "USD 1,234.56"),
    ("1002344D000000001250", "HKD -12.50"),
    ("1002392C000000012345", "JPY 12,345"),
    ("1002999C000000012345", "货币999,金额未提供"),
])
def test_a_balance_in_another_currency_is_not_called_rmb(b, field, zh):
    b.host.rule("balance", wrong_field=(54, field))
    asked(b)
    b.wait_for("可用余额")
    shown = "".join(b.screen())
    assert zh in shown and "RMB" not in shown and "123.45" not in shown
