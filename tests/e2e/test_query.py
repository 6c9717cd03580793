"""Query: browse, look up by voucher number, totals; whatever is looked at, nothing changes."""

import pytest

from host_tools.bench import stories, wiring
from tests.e2e.kit import PIN, enter, signed_on, started


@pytest.fixture
def b(make_bench):
    """A day with one of each: two sales, a refusal, a void, a refund, an open reversal."""
    b = signed_on(make_bench(settings={"reversal_minutes": 0}))
    first = stories.sale(b, 10000)
    second = stories.sale(b, 20000)
    stories.void(b, second.trace)
    stories.refund(b, first.rrn, f"{b.clock.now:%m%d}", 2500)
    b.host.rule("sale", code="51")
    started(b, 700)
    enter(b, PIN)
    b.wait_for("余额不足")
    b.press("CANCEL", "CANCEL")
    b.to_idle()
    b.host.rule("sale", drop=True)
    started(b, 900)
    enter(b, PIN)
    b.wait_until(lambda: b.journal()[-1].state == "reversal_due", 120, "a lost reply")
    b.to_idle()
    return b


def test_browsing_shows_the_newest_first_and_stops_at_both_ends_and_totals_agree(b):
    journal = b.journal()
    b.choose("交易查询/交易明细")
    seen = []
    for _ in journal:
        seen.append((b.screen()[0].split()[-1], b.screen()[1].split()[0], b.screen()[3]))
        b.press("DOWN")
    count = len(journal)
    assert [place for place, _, _ in seen] == [f"{n}/{count}" for n in range(count, 0, -1)]
    assert [int(trace) for _, trace, _ in seen] == [txn.trace for txn in reversed(journal)]
    assert [state for _, _, state in seen] == [
        "待冲正", "被拒绝", "成功", "成功", "已撤销", "已退货"]
    b.press("DOWN")  # the oldest stays
    assert b.screen()[0].split()[-1] == f"1/{count}"
    for _ in range(count + 1):
        b.press("UP")
    assert b.screen()[0].split()[-1] == f"{count}/{count}"
    b.press("CANCEL")
    assert b.shows("确认=菜单")
    b.choose("交易查询/交易汇总")
    text = "".join(b.read()).replace(" ", "")
    assert "借记2笔300.00" in text and "贷记2笔225.00" in text and "净额75.00" in text


DETAILS = (
    (0, ("消费", "已退货", "RMB100.00", "622202****0128", "批次号000001", "操作员01", "已打印")),
    (2, ("撤销", "成功", "RMB200.00", "授权主管00", "原凭证号000003")),
    (3, ("退货", "RMB25.00", "授权主管00", "原参考号")),
    (4, ("消费", "被拒绝", "RMB7.00", "应答码51")),
    (5, ("消费", "待冲正", "RMB9.00")),
)


def test_details_by_voucher_number_with_their_state(b):
    for at, rows in DETAILS:
        txn = b.journal()[at]
        b.choose("按凭证号查询")
        enter(b, str(txn.trace))
        text = "".join(b.read()).replace(" ", "")
        for row in (f"{txn.trace:06d}", txn.rrn or "", *rows):
            assert row in text, (row, text)
        assert stories.CARD not in text and "3012" not in text
        b.press("ENTER")  # leads on to what may be done about it
        assert not b.shows("确认=菜单")
        b.to_idle()


def test_a_settled_transaction_is_still_found_and_an_unknown_one_is_not(bench):
    b = signed_on(bench)
    trace = stories.sale(b, 100).trace
    stories.settle(b)
    b.choose("按凭证号查询")
    enter(b, str(trace))
    assert "已结算" in "".join(b.read())
    b.to_idle()
    b.choose("按凭证号查询")
    enter(b, "999999")
    b.wait_for("原交易不存在")
    b.to_idle()
    b.choose("交易查询/交易明细")
    b.wait_for("无交易")


def test_looking_changes_nothing(b):
    b.clock.advance(30)  # its upkeep is done
    nor = b.rig.flash[wiring.JOURNAL]
    before = bytes(nor.mem), b.flash_ops(), len(b.trace())
    trace = b.journal()[0].trace
    for _ in b.journal():
        b.choose("交易查询/交易明细")
        b.press("DOWN", "ENTER", "DOWN", "CANCEL", "CANCEL")
    b.choose("交易查询/交易汇总")
    b.press("CANCEL")
    b.to_idle()
    b.choose("按凭证号查询")
    enter(b, str(trace))
    b.press("CANCEL")
    b.to_idle()
    for label in ("打印明细", "打印汇总", "重打最后一笔"):
        printed = len(b.receipts())
        b.choose(label)
        if b.shows("没有签购单"):  # of the newest; ENTER prints the one before it
            b.press("ENTER")
        b.wait_until(lambda n=printed: len(b.receipts()) > n, what=label)
        b.to_idle()
    b.choose("重打任意一笔")
    enter(b, str(trace))
    b.to_idle()
    assert (bytes(nor.mem), b.flash_ops(), len(b.trace())) == before
