"""Batch upload (批上送): what goes up, and every way it can be interrupted."""

import pytest

from host_tools.bench import Bench, stories
from host_tools.bench.states import Snapshot
from tests.e2e import desk
from tests.e2e.desk import log_in
from tests.e2e.kit import press_until
from tests.e2e.test_settle import agree, operations


def trade(b):
    """Nine sales, one of them voided, and a refund: two messages of details, one refund."""
    first = stories.sale(b, 1000)
    for number in range(8):
        stories.sale(b, 1100 + 100 * number)
    stories.void_last(b)
    stories.refund(b, first.rrn, f"{b.clock.now:%m%d}", 500)


_before: list[Snapshot] = []


@pytest.fixture
def b(make_bench):
    """That batch on a terminal that is signed on and idle, at a host whose totals differ."""
    if not _before:
        with Bench(settings=_SETTINGS) as teller:
            teller.power_on()
            teller.sign_on()
            trade(teller)
            _before.append(Snapshot(teller))
    bench = make_bench(settings=_SETTINGS)
    _before[0].restore(bench)
    bench.host.personality("settles-wrong")
    bench.power_on()
    bench.sign_on()
    return bench


_SETTINGS = {"reply_seconds": 10}


def begin(b):
    b.choose("结算")
    b.press("ENTER")
    b.press("ENTER")


def done(b):
    """Is the settlement over? Its last question is on the panel."""
    return b.shows("打印交易明细?")


def finish(b):
    """From wherever the settlement stopped to its end, with nothing but what the screen offers."""
    for _ in range(30):
        if not b.powered:
            b.power_on()
        if b.shows("操作员号"):
            log_in(b)
        elif done(b) or b.shows("结算单未打印"):
            b.press("CANCEL")
        elif b.shows("按任意键"):
            b.press("ENTER")
        elif b.shows("确认=菜单"):
            return
        else:
            b.clock.advance(3)
    raise AssertionError(b.screen())


def settled(b):
    assert all(t.state in ("settled", "voided", "refunded") for t in b.journal()), b.journal()
    agree(b)
    assert stories.sale(b, 100).batch == 2


def test_details_go_up_eight_at_a_time_and_refunds_alone(b):
    begin(b)
    b.wait_until(lambda: done(b), timeout=60)
    asked = [e for e in b.trace() if e.direction == ">"]
    names = [e.operation for e in asked]
    assert names[names.index("settlement"):] == [
        "settlement", "upload", "upload", "upload-refund", "upload-end"]
    first, second, refund, end = asked[-4:]
    assert first.fields["48"].startswith("08") and second.fields["48"].startswith("02")
    assert "622202*********0128" in first.fields["48"]
    assert refund.fields["11"] == "000012"  # its own voucher number: a repeat replaces itself
    assert refund.fields["37"] and "64" not in refund.fields and "35" not in refund.fields
    assert end.fields["60"].endswith("202") and end.fields["48"] == "0011"
    b.press("CANCEL")
    b.to_idle()
    slip = b.rig.paper.receipts[-1]
    assert "对账不平" in slip and "主机数据" in slip and "差额由收单机构核对" in slip
    settled(b)


def test_progress_is_shown(b):
    b.host.rule("upload", nth=2, delay=5)
    begin(b)
    b.wait_for("批上送 8/11", timeout=60)
    finish(b)
    settled(b)


def test_a_real_difference_is_found_by_the_host(make_bench):
    # The host has a sale more: its approval was lost, and so was every reversal, until a person
    # gave up on it.
    b = make_bench(settings={"reply_seconds": 10})
    b.power_on()
    b.sign_on()
    stories.sale(b, 1000)
    b.line.drop_next("reply")
    stories.sale(b, 2000, wait=False)
    b.clock.advance(15)
    b.to_idle()
    b.host.rule("reversal", drop_request=True, times=3)
    b.choose("结算")
    b.press("ENTER", "ENTER")
    b.clock.advance(60)
    for _ in range(6):
        b.press("CANCEL")
        b.clock.advance(3)
    b.to_idle()
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    for position in range(1, 8):
        if b.shows(f"{position}人工解除"):
            b.press(str(position))
            break
        b.press("DOWN")
    desk.key_in(b, "123456")
    b.press("1")
    press_until(b, "ENTER", "正在打印", "已解除")
    b.to_idle()
    assert b.journal()[-1].state == "released"
    stories.settle(b)
    ledger = b.host.ledger()
    ledger.check()
    assert [(d.trace, d.what, d.booked) for d in ledger.discrepancies] == [(3, "not-claimed", 2000)]
    assert ledger.batches["00000001", 1][1]


@pytest.mark.parametrize("what", ["request", "reply"])
@pytest.mark.parametrize("nth", range(5), ids=["totals", "first", "second", "refund", "end"])
def test_a_message_that_gets_lost(b, nth, what):
    # Of the five messages of this settlement the nth one gets lost on the line.
    name = ["settlement", "upload", "upload", "upload-refund", "upload-end"][nth]
    place = 2 if nth == 2 else 1
    b.host.rule(name, nth=place, **{"drop" if what == "reply" else "drop_request": True})
    begin(b)
    b.wait_until(lambda: b.shows("未完成") or b.shows("未开始"), timeout=60)
    if nth == 0:
        b.to_idle()
        begin(b)
        finish(b)
    else:
        b.wait_for("按任意键继续")
        # Nothing else is possible: no key, no card leads anywhere but on.
        b.swipe(stories.CARD)
        assert b.shows("按任意键继续")
        b.press("VOID")
        assert not b.shows("主管密码")
        finish(b)
    settled(b)


@pytest.mark.parametrize("nth", range(4), ids=["first", "second", "refund", "end"])
def test_power_fails_between_two_messages(b, nth):
    name = ["upload", "upload", "upload-refund", "upload-end"][nth]
    b.host.rule(name, nth=2 if nth == 1 else 1, delay=5)
    begin(b)
    b.wait_until(lambda: operations(b)[-1] == name, timeout=60)
    assert not done(b)
    desk.restart(b)
    log_in(b)
    b.wait_for("结算未完成")
    finish(b)
    settled(b)


def test_the_line_is_down_for_the_night(b):
    b.host.rule("upload", nth=2, drop=True)
    begin(b)
    b.wait_for("按任意键继续", timeout=60)
    b.line.cut()
    for _ in range(3):
        b.press("ENTER")
        b.wait_for("线路不通", timeout=30)
        b.wait_for("按任意键继续")
    # Somebody else may log in; it waits for them, too.
    b.press("CANCEL")
    log_in(b, "02")
    b.wait_for("结算未完成")
    b.line.restore()
    finish(b)
    settled(b)


def test_an_interrupted_settlement_needs_a_sign_on_first_if_the_keys_are_doubted(b):
    b.host.rule("upload", nth=2, code="77", demand=3)
    begin(b)
    b.wait_for("主机不接受本批", timeout=60)
    b.press("CANCEL")
    b.wait_for("按任意键继续")
    assert b.screen()[0].strip() == "签到"
    b.press("ENTER")
    b.wait_for("签到成功")
    b.wait_for("按任意键继续")
    assert b.screen()[0].strip() == "结算"
    finish(b)
    settled(b)


def test_when_the_host_has_the_end_no_line_is_needed_any_more(b, make_bench):
    # The last flash operations of a settlement: what follows the host's last answer.
    before = sum(nor.ops for nor in b.rig.flash)
    begin(b)
    b.wait_until(lambda: done(b), timeout=60)
    count = sum(nor.ops for nor in b.rig.flash) - before
    for back in range(2, 30):
        c = cut_at(make_bench, count - back, torn=False)
        assert not c.powered
        if operations(c)[-1] != "upload-end":
            break
        asked = len(operations(c))
        c.line.cut()
        c.power_on()
        log_in(c)
        for _ in range(3):
            if c.shows("按任意键继续"):
                c.press("ENTER")
            c.clock.advance(8)
        if all(t.state in ("settled", "voided", "refunded") for t in c.journal()):
            assert len(operations(c)) == asked
            return
    raise AssertionError("no cut fell between the host's end and ours")


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_power_cut_at_every_flash_operation_of_a_settlement(b, make_bench, step):
    # Every fourth one here, every one in the exhaustive ring.
    ends = 0
    for at in range(0, 90, step):
        b = cut_at(make_bench, at, torn=bool(at % 2))
        if b.powered:
            break
        again(b)
        settled(b)
        b.close()
        ends += 1
    assert ends * step > 40, "the sweep did not cut anything"


@pytest.mark.slow
def test_power_cut_twice_in_a_settlement(b, make_bench):
    for at in range(0, 40):
        for second in (0, 1, 3, 6):
            b = cut_at(make_bench, at, torn=True)
            if b.powered:
                return
            b.power_cut(at_flash_op=second, torn=True)
            again(b)
            settled(b)
            b.close()


def again(b):
    """Finish; a settlement that had not begun by the cut is begun again."""
    finish(b)
    if not all(t.state in ("settled", "voided", "refunded") for t in b.journal()):
        begin(b)
        finish(b)


def cut_at(make_bench, at, torn):
    bench = make_bench(settings=_SETTINGS)
    _before[0].restore(bench)
    bench.host.personality("settles-wrong")
    bench.power_on()
    bench.sign_on()
    bench.power_cut(at_flash_op=at, torn=torn)
    begin(bench)
    bench.wait_until(lambda: not bench.powered or done(bench), timeout=60)
    return bench
