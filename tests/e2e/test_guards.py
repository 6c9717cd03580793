"""What the terminal refuses before anything is sent; leaving any prompt leaves no trace."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import (
    CARD,
    PIN,
    SUPERVISOR,
    ended_well,
    enter,
    press_until,
    signed_on,
    snapshot,
    states,
)

# -- leaving ---------------------------------------------------------------------------------------

# Every prompt of every flow: what leads to it from the idle screen, and its words.
# {rrn}, {date} and {trace} are those of a sale of 50.00 that has been made before.
TO_SALE = [("menu", "消费"), ("swipe", CARD), ("ENTER",), ("enter", "700")]
TO_CODE = [("scan", "629990120000000012"), ("ENTER",)]
TO_VOID = [("VOID",), ("enter", SUPERVISOR), ("enter", "{trace}")]
TO_LAST = [("LAST",), ("enter", SUPERVISOR)]
TO_REFUND = [("REFUND",), ("enter", SUPERVISOR), ("swipe", CARD), ("ENTER",), ("enter", "{rrn}"),
             ("enter", "{date}"), ("enter", "100")]
TO_REFUND_CODE = [("menu", "扫码退货"), ("enter", SUPERVISOR), ("enter", "000000000001"),
                  ("enter", "{date}"), ("enter", "100")]
TO_CORRECT = [("menu", "金额有误"), ("enter", SUPERVISOR), ("enter", "700")]
TO_CHECK = [("menu", "凭证核对"), ("enter", "{trace}"), ("enter", "5000"), ("enter", "0128")]
KEYED = [("menu", "消费"), ("6",), ("type", CARD[1:]), ("ENTER",)]
TO_LIMIT = [("menu", "消费"), ("swipe", CARD), ("ENTER",), ("enter", "9000")]
TO_SELF_CHECK = [("menu", "自检"), ("wait", "1按键")]
CONFIRM = [("ENTER",), ("swipe", CARD), ("ENTER",)]
PROMPTS = {
    "sale: the same again": ([*TO_SALE[:3], ("enter", "5000")], "有相同交易"),
    "sale: card": (TO_SALE[:1], "请刷卡"),
    "sale: card shown": (TO_SALE[:2], "622202****0128"),
    "sale: amount": (TO_SALE[:3], "请输入金额"),
    "sale: PIN": (TO_SALE, "请输入密码"),
    "sale: keyed number": (KEYED[:2], "卡号"),
    "sale: expiry": (KEYED, "卡有效期"),
    "sale: limit": (TO_LIMIT, "风险提示"),
    "sale: supervisor": ([*TO_LIMIT, ("ENTER",)], "主管密码"),
    "code: shown": (TO_CODE[:1], "付款码"),
    "code: amount": (TO_CODE, "请输入金额"),
    "code: scan": ([("menu", "扫码付款")], "请扫付款码"),
    "balance: card": ([("menu", "余额查询")], "请刷卡"),
    "balance: card shown": ([("menu", "余额查询"), CONFIRM[1]], "622202****0128"),
    "balance: PIN": ([("menu", "余额查询"), *CONFIRM[1:]], "请输入密码"),
    "void: supervisor": (TO_VOID[:1], "主管密码"),
    "void: voucher": (TO_VOID[:2], "原凭证号"),
    "void: confirmation": (TO_VOID, "消费"),
    "void: card": ([*TO_VOID, ("ENTER",)], "请刷卡"),
    "void: card shown": ([*TO_VOID, *CONFIRM[:2]], "622202****0128"),
    "void: PIN": ([*TO_VOID, *CONFIRM], "请输入密码"),
    "last: supervisor": (TO_LAST[:1], "主管密码"),
    "last: confirmation": (TO_LAST, "消费"),
    "last: card": ([*TO_LAST, ("ENTER",)], "请刷卡"),
    "last: card shown": ([*TO_LAST, *CONFIRM[:2]], "622202****0128"),
    "last: PIN": ([*TO_LAST, *CONFIRM], "请输入密码"),
    "refund: supervisor": (TO_REFUND[:1], "主管密码"),
    "refund: card": (TO_REFUND[:2], "请刷卡"),
    "refund: card shown": (TO_REFUND[:3], "622202****0128"),
    "refund: reference": (TO_REFUND[:4], "原参考号"),
    "refund: date": (TO_REFUND[:5], "原交易日期"),
    "refund: amount": (TO_REFUND[:6], "退货金额"),
    "refund: confirmation": (TO_REFUND, "取消修改"),
    "refund by code: supervisor": (TO_REFUND_CODE[:1], "主管密码"),
    "refund by code: reference": (TO_REFUND_CODE[:2], "原参考号"),
    "refund by code: date": (TO_REFUND_CODE[:3], "原交易日期"),
    "refund by code: amount": (TO_REFUND_CODE[:4], "退货金额"),
    "refund by code: confirmation": (TO_REFUND_CODE, "取消修改"),
    "correction: supervisor": (TO_CORRECT[:1], "主管密码"),
    "correction: amount": (TO_CORRECT[:2], "正确金额"),
    "correction: confirmation": (TO_CORRECT, "消费"),
    "correction: card": ([*TO_CORRECT, ("ENTER",)], "请刷卡"),
    "correction: card shown": ([*TO_CORRECT, *CONFIRM[:2]], "622202****0128"),
    "correction: PIN": ([*TO_CORRECT, *CONFIRM], "请输入密码"),
    "check: voucher": (TO_CHECK[:1], "凭证号"),
    "check: amount": (TO_CHECK[:2], "金额"),
    "check: card": (TO_CHECK[:3], "卡号后四位"),
    "check: reference": (TO_CHECK, "参考号"),
    "unfinished": ([("menu", "未完成交易")], "没有未完成交易"),
    "query: browse": ([("menu", "交易查询/交易明细")], "1/1"),
    "query: details": ([("menu", "交易查询/交易明细"), ("ENTER",)], "交易详情"),
    "query: voucher": ([("menu", "按凭证号查询")], "凭证号"),
    "self-check: verdicts": (TO_SELF_CHECK, "1按键"),
    "self-check: finding": ([*TO_SELF_CHECK, ("4",)], "往返"),
    "causes": ([("menu", "原因统计")], "交易笔数"),
    "help: topics": ([("menu", "帮助")], "怎样消费"),
    "help: page": ([("menu", "帮助"), ("1",)], "刷卡"),
}


PAYMENTS = ("sale", "code", "balance", "void", "last", "refund", "refund by code", "correction")


def act(b, steps, values):
    for name, *arguments in steps:
        text = arguments[0].format(**values) if arguments else ""
        if name == "menu":
            b.choose(text)
        elif name == "swipe":
            b.swipe(text)
        elif name == "scan":
            b.scan(text)
        elif name == "wait":
            b.wait_for(text)
        elif name == "type":
            b.type(text)
        elif name == "enter":
            enter(b, text)
        else:
            b.press(name)


@pytest.mark.parametrize("way", ["CANCEL", "timeout"])
@pytest.mark.parametrize("flow", sorted({name.partition(":")[0] for name in PROMPTS}))
def test_leaving_a_prompt_leaves_nothing_behind(make_bench, flow, way):
    b = signed_on(make_bench(settings={"sale_limit": 8000}))
    sale = stories.sale(b, 5000)
    values = {"rrn": sale.rrn, "date": f"{b.clock.now:%m%d}", "trace": sale.trace}
    before = snapshot(b)
    for name, (steps, words) in PROMPTS.items():
        if name.partition(":")[0] != flow:
            continue
        act(b, steps, values)
        assert b.shows(words), (name, b.screen())
        if way == "CANCEL":
            # Some prompts lead back to the one before.
            press_until(b, "CANCEL", "确认=菜单", most=6)
        else:
            b.clock.advance(61)
            if flow in PAYMENTS:
                nothing = {"void": "没撤销", "last": "没撤销", "correction": "没撤销",
                           "refund": "没有退款", "refund by code": "没有退款"}
                assert b.shows("操作超时"), (name, b.screen())
                assert b.shows(nothing.get(flow, "没有扣款")), (name, b.screen())
            b.clock.advance(6)
        assert b.shows("确认=菜单"), (name, b.screen())
        assert snapshot(b) == before, name
    ended_well(b)


# -- states of the terminal ------------------------------------------------------------------------


FLOWS = ("消费", "撤销", "退货", "末笔撤销", "余额查询", "扫码付款", "扫码退货", "金额有误")


def test_not_signed_on_nothing_is_sent(bench):
    bench.power_on()
    bench.line.cut()
    enter(bench, "01")
    enter(bench, "0000")
    bench.wait_for("按任意键签到", timeout=200)
    bench.line.restore()
    for flow in FLOWS:
        bench.choose(flow)
        assert bench.shows("请先签到"), (flow, bench.screen())
        bench.press("ENTER")
    assert bench.journal() == []


@pytest.mark.parametrize(("bit", "flow"), [
    (0x80, "余额查询"), (0x04, "消费"), (0x02, "撤销"), (0x02, "末笔撤销"), (0x01, "退货"),
    (0x04, "扫码付款"), (0x01, "扫码退货"),
])
def test_what_is_switched_off_says_so(make_bench, bit, flow):
    b = signed_on(make_bench(settings={"switches": 0xFF & ~bit}))
    b.choose(flow)
    assert b.shows("暂不支持")
    b.to_idle()
    assert b.journal() == []


def test_payment_codes_can_be_switched_off(make_bench):
    b = signed_on(make_bench(settings={"payment_codes": 0}))
    b.scan("629990120000000012")
    assert b.shows("暂不支持")
    b.to_idle()
    b.choose("消费")
    assert not b.shows("付款码")
    b.to_idle()
    stories.sale(b, 1500, wait=False, pan="6222021234567890151")  # too little on it
    b.wait_for("余额不足")
    b.press("CANCEL")
    assert b.shows("换卡") and not b.shows("扫码")


def test_a_full_journal_refuses_sales_and_says_what_to_do(make_bench):
    b = signed_on(make_bench(settings={"batch_limit": 10, "copies": 1}))
    for number in range(10):
        stories.sale(b, 100 + number)
    before = snapshot(b)
    for flow in ("消费", "退货", "余额查询"):
        b.choose(flow)
        assert b.shows("存储满,请结算"), flow
        b.to_idle()
    b.swipe(CARD)
    assert b.shows("存储满,请结算")
    b.to_idle()
    assert snapshot(b) == before
    stories.void_last(b)  # money can still be given back
    assert states(b)[-1] == ("void", "approved")
    stories.settle(b)
    stories.sale(b, 500)
    ended_well(b)


def test_nine_tenths_full_warns(make_bench):
    b = signed_on(make_bench(settings={"batch_limit": 10, "copies": 1}))
    for number in range(8):
        stories.sale(b, 100 + number)
    stories.sale(b, 300, wait=False)
    b.wait_for("存储将满")
    assert b.shows("请尽快结算")


# -- passwords -----------------------------------------------------------------------------------


def test_a_wrong_supervisor_password_locks_longer_and_longer(b_sold):
    b = b_sold
    before = snapshot(b)
    for minutes in (1, 2, 4):
        b.press("LAST")
        for _ in range(3):
            if b.shows("主管密码"):
                enter(b, "000000")
                if b.shows("密码错") and not b.shows("过多"):
                    b.press("CANCEL")
        assert b.shows(f"请{minutes}分钟后再试"), b.screen()
        b.to_idle()
        b.press("LAST")
        enter(b, SUPERVISOR)  # even the right one
        assert b.shows("分钟后再试")
        b.to_idle()
        b.clock.advance(minutes * 60)
    assert snapshot(b) == before
    stories.void_last(b)
    ended_well(b)


def test_the_lock_survives_a_power_cut(b_sold):
    b = b_sold
    b.press("LAST")
    for _ in range(3):
        enter(b, "000000")
        if not b.shows("过多"):
            b.press("CANCEL")
    b.power_cut()
    b.power_on()
    b.sign_on()
    b.press("LAST")
    enter(b, SUPERVISOR)
    assert b.shows("分钟后再试")


@pytest.fixture
def b_sold(bench):
    b = signed_on(bench)
    stories.sale(b, 5000)
    assert PIN
    return b
