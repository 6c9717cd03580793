"""Scripts by somebody who knows the calls of the bench and the words on the panel, nothing else.

They use no helper of this project: what they rely on is what other people's tests rely on.
"""

import pytest

CARD = "6222021234567890128"


def card(b):
    b.wait_for("请刷卡")
    b.swipe(CARD, expiry="3012")
    b.press("ENTER")


def keyed(b, prompt, digits):
    b.wait_for(prompt)
    b.type(digits)
    b.press("ENTER")


def sell(b, amount):
    b.choose("消费")
    card(b)
    keyed(b, "请输入金额", str(amount))
    keyed(b, "请输入密码", "123456")


def done(b):
    b.wait_for("交易成功")
    b.clock.advance(90)  # both slips come out by themselves; nobody says why it is voided
    if not b.shows("请刷卡"):  # what was reversed on the way is told once
        assert b.shows("已扣款,已退回") or b.shows("没有扣款") or b.shows("没撤销,消费有效")
        b.press("CANCEL")
    assert b.shows("请刷卡")


def money(b):
    ledger = b.host.ledger()
    assert sum(entry.amount for entry in ledger.entries) == 0
    return ledger.balance("merchant"), ledger.balance(CARD)


def both_ends(b):
    """(kind, state) here; the host has the same of what stands."""
    here = {(t.trace, t.kind, t.amount) for t in b.journal() if t.state in ("approved", "voided")}
    there = {(t.trace, t.kind, t.amount) for t in b.host.ledger().transactions
             if t.state in ("approved", "voided")}
    assert here == there
    return [(t.kind, t.state) for t in b.journal()]


@pytest.mark.parametrize("way", ["key", "menu"])
def test_the_last_sale_is_voided(b, way):
    sell(b, 1234)
    done(b)
    if way == "key":
        b.press("LAST")
    else:
        b.choose("末笔撤销")
    keyed(b, "主管密码", "123456")
    b.wait_for("12.34")
    b.press("ENTER")
    card(b)
    keyed(b, "请输入密码", "123456")
    done(b)
    assert both_ends(b) == [("sale", "voided"), ("void", "approved")]
    assert money(b) == (0, 1_000_000)
    b.press("LAST")
    b.wait_for("不能撤销")  # and says why; no older one is taken


def test_an_older_sale_is_voided_by_its_voucher(b):
    for amount in (100, 200, 300):
        sell(b, amount)
        done(b)
    voucher = f"{b.journal()[0].trace:06d}"
    assert voucher in b.receipts()[0]
    b.choose("撤销")
    keyed(b, "主管密码", "123456")
    keyed(b, "原凭证号", voucher)
    b.wait_for("1.00")
    b.press("ENTER")
    card(b)
    keyed(b, "请输入密码", "123456")
    done(b)
    assert both_ends(b)[0] == ("sale", "voided") and money(b)[0] == 500
    b.press("VOID")
    keyed(b, "主管密码", "123456")
    keyed(b, "原凭证号", voucher)
    b.wait_for("该交易已撤销")


def test_a_part_of_a_sale_is_refunded(b):
    sell(b, 5000)
    done(b)
    b.press("REFUND")
    keyed(b, "主管密码", "123456")
    card(b)
    keyed(b, "原参考号", b.journal()[0].rrn)
    keyed(b, "原交易日期", b.clock.now.strftime("%m%d"))
    keyed(b, "退货金额", "2000")
    b.wait_for("20.00")
    b.press("ENTER")
    done(b)
    assert money(b) == (3000, 997_000)


def test_a_lost_reply_is_reversed_before_the_next_sale(b):
    b.line.drop_next("reply")
    sell(b, 1000)
    b.clock.advance(70)
    assert b.journal()[0].state == "reversal_due"
    sell(b, 2000)
    done(b)
    assert both_ends(b) == [("sale", "reversed"), ("sale", "approved")]
    sent = [(e.fields["t"], e.fields.get("39", "")) for e in b.trace() if e.direction == ">"]
    assert sent[1:] == [("0200", ""), ("0400", "98"), ("0200", "")]
    assert money(b)[0] == 2000


@pytest.mark.parametrize("torn", [False, True])
def test_power_fails_while_the_host_answers(b, torn):
    b.power_cut(at_flash_op=1, torn=torn)  # 0 is the intent, 1 the outcome
    sell(b, 1000)
    with pytest.raises(AssertionError, match="power_on"):
        b.wait_for("交易成功")
    b.power_on()
    b.sign_on()
    b.wait_for("未完成交易: 1")
    sell(b, 2000)
    done(b)
    assert both_ends(b) == [("sale", "reversed"), ("sale", "approved")]
    assert money(b)[0] == 2000


def test_the_batch_is_settled(b):
    for amount in (100, 200):
        sell(b, amount)
        done(b)
    b.choose("结算")
    b.wait_for("是否批结算")
    b.press("ENTER")
    b.wait_for("3.00")
    b.press("ENTER")
    b.wait_for("打印交易明细")
    b.press("CANCEL")
    b.clock.advance(10)
    assert {t.state for t in b.journal()} == {"settled"} and "对账平" in b.paper()
    sell(b, 300)
    done(b)
    assert b.journal()[-1].batch == 2


def test_a_host_that_refuses_lies_or_is_slow(b):
    b.host.rule("sale", code="51")
    sell(b, 100)
    b.wait_for("余额不足")
    b.host.rule("sale", wrong_field=(4, "000000000001"))
    sell(b, 200)
    b.wait_for("应答与请求不符")
    b.host.rule("sale", delay=30)
    sell(b, 300)  # the reversal goes out first
    done(b)
    b.host.rule("sale", approve_after_reversal=True)
    sell(b, 400)
    b.clock.advance(70)
    b.host.rule("sale", duplicate=True)
    sell(b, 500)
    done(b)
    assert both_ends(b) == [("sale", state) for state in (
        "declined", "reversed", "approved", "reversed", "approved")]
    assert money(b)[0] == 800


def test_nobody_stays_at_the_prompt(b):
    sell(b, 100)
    done(b)
    before = [str(t) for t in b.journal()]
    for key, prompt in (("LAST", "主管密码"), ("REFUND", "主管密码"), ("1", "请刷卡")):
        b.press(key)
        b.wait_for(prompt)
        b.clock.advance(66)
        assert b.shows("请刷卡") and b.shows("确认=菜单")
        b.press(key)
        b.press("CANCEL")
        assert b.shows("请刷卡") and b.shows("确认=菜单")
    assert [str(t) for t in b.journal()] == before
