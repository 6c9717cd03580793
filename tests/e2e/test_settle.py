"""Settlement (批结算) through keys and pixels: totals, comparison, close, papers, both ends."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from host_tools.bench import stories, wiring
from host_tools.journal import decode
from tests.e2e import desk
from tests.e2e.desk import key_in, log_in
from tests.e2e.kit import forms

CARD = stories.CARD


def trade(b):
    """Sales of 10.00, 20.00 and 30.00, the last one voided, 5.00 of the first one refunded."""
    first = stories.sale(b, 1000)
    stories.sale(b, 2000)
    stories.sale(b, 3000)
    stories.void_last(b)
    stories.refund(b, first.rrn, f"{b.clock.now:%m%d}", 500)


def operations(b):
    """What the host was asked, in order."""
    return [entry.operation for entry in b.trace() if entry.direction == ">"]


def agree(b, batch=1):
    """Both ends have closed the batch with the same money, and nothing is in doubt."""
    ledger = b.host.ledger()
    ledger.check()
    assert ledger.discrepancies == []
    assert ledger.batches["00000001", batch][1], "the host has not closed the batch"
    moved = {"approved", "voided", "refunded", "settled"}
    at_host = {(t.trace, t.kind, t.amount) for t in ledger.transactions
               if t.batch == batch and t.state in moved and t.kind != "balance"}
    here = {(t.trace, t.kind, t.amount) for t in b.journal()
            if t.batch == batch and t.state in moved and t.kind != "balance"}
    assert here == at_host


def begin(b):
    """To the totals and over them."""
    b.choose("结算")
    assert b.shows("是否批结算")
    b.press("ENTER")
    b.press("ENTER")


# -- the plain way ---------------------------------------------------------------------------------


def test_nothing_to_settle(b):
    b.choose("结算")
    assert b.shows("无交易")
    b.to_idle()
    stories.sale(b, 900, pan="6222021234567891415", wait=False)  # a lost card: declined
    b.to_idle()
    b.choose("结算")
    assert b.shows("无交易")
    assert "settlement" not in operations(b)


def test_totals_are_shown_before_anything_is_sent(b):
    trade(b)
    b.choose("结算")
    assert b.shows("是否批结算")
    b.press("ENTER")
    rows = desk.everything(b)
    assert "3笔" in rows and "60.00" in rows  # debit: a voided sale stays in it
    assert "2笔" in rows and "35.00" in rows  # credit: the void and the refund
    assert "25.00" in rows
    b.press("CANCEL")
    b.to_idle()
    assert "settlement" not in operations(b) and not b.shows("结算未完成")
    stories.sale(b, 100)


def test_equal_totals_need_no_upload(b):
    trade(b)
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    assert operations(b)[-2:] == ["settlement", "upload-end"]
    end = next(e for e in b.trace() if e.operation == "upload-end")
    assert end.fields["60"] == "00000001207" and end.fields["48"] == "0005"
    agree(b)
    slip = b.rig.paper.receipts[-1]
    for wanted in ("结算总计单", "对账平", "消费 SALE        2         30.00",
                   "消费撤销 VOID    1         30.00", "退货 REFUND      1          5.00",
                   "借记             3         60.00", "贷记             2         35.00",
                   "净额                       25.00", "批次号                    000001"):
        assert wanted in slip, (wanted, slip)
    assert stories.sale(b, 700).batch == 2


def test_the_batch_number_wraps_to_one(make_bench):
    b = make_bench(settings={"batch": 999999})
    b.power_on()
    b.sign_on()
    stories.sale(b, 1000)
    stories.settle(b)
    assert stories.sale(b, 1000).batch == 1


def test_details_are_printed_on_request(b):
    trade(b)
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("ENTER")
    b.to_idle()
    slip = b.rig.paper.receipts[-1]
    assert "交易明细单" in slip and "000001" in slip
    assert slip.count("622202*********0128") == 5
    assert slip.count("已撤销") == 1 and CARD not in slip


def test_settlement_signs_off_where_the_merchant_wants_it(make_bench):
    b = make_bench(settings={"auto_sign_off": 1})
    b.power_on()
    b.sign_on()
    stories.sale(b, 1000)
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.wait_for("签退成功")
    b.wait_for("操作员号")
    assert operations(b)[-1] == "sign-off"
    b.sign_on()
    assert stories.sale(b, 1000).batch == 2


def test_a_pending_reversal_goes_first(b):
    stories.sale(b, 1000)
    stories.lost_sale(b, 2000)
    assert b.shows("未完成交易: 1")
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    assert operations(b)[-3:] == ["sale-reversal", "settlement", "upload-end"]
    assert [t.state for t in b.journal()] == ["settled", "reversed"]
    agree(b)


def test_a_pending_reversal_goes_out_when_there_is_nothing_else(b):
    stories.lost_sale(b, 2000)
    assert b.shows("未完成交易: 1")
    b.choose("结算")
    b.wait_for("无交易", timeout=20)  # sooner than the terminal would try by itself
    b.to_idle()
    assert not b.shows("未完成") and operations(b)[-1] == "sale-reversal"
    assert [t.state for t in b.journal()] == ["reversed"]
    assert sum(t.state == "approved" for t in b.host.ledger().transactions) == 0


def test_a_reversal_that_fails_stops_the_settlement(b):
    stories.sale(b, 1000)
    stories.lost_sale(b, 2000)
    b.host.rule("reversal", code="96", times=None)
    begin(b)
    b.clock.advance(2)
    for _ in range(6):
        b.press("CANCEL")
        b.clock.advance(4)
    b.to_idle()
    b.choose("结算")
    assert b.shows("冲正未成功")
    assert "settlement" not in operations(b)


# -- refunds nobody answered -----------------------------------------------------------------------


@pytest.mark.parametrize("lost, state", [("reply", "settled"), ("request", "absent")])
def test_the_hosts_totals_tell_what_became_of_a_refund(b, lost, state):
    sale = stories.sale(b, 8000)
    other = stories.sale(b, 4000)
    day = f"{b.clock.now:%m%d}"
    stories.refund(b, other.rrn, day, 700)
    b.line.drop_next(lost)
    stories.refund(b, sale.rrn, day, 3000, wait=False)
    b.clock.advance(70)
    b.to_idle()
    assert b.journal()[-1].state == "unknown"
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    assert b.journal()[-1].state == state
    assert "对账平" in b.rig.paper.receipts[-1]
    assert not b.shows("未完成交易")
    agree(b)


@pytest.mark.parametrize("lost, state", [("reply", "settled"), ("request", "absent")])
def test_a_refund_that_is_alone_in_its_batch_is_cleared_by_the_totals(b, lost, state):
    sale = stories.sale(b, 8000)
    stories.settle(b)
    b.line.drop_next(lost)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 3000, wait=False)
    b.clock.advance(70)
    b.to_idle()
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    assert b.journal()[-1].state == state
    assert not b.shows("未完成交易")
    agree(b, batch=2)


def test_two_lost_refunds_of_one_amount_are_not_guessed(b):
    sales = [stories.sale(b, 8000) for _ in range(2)]
    day = f"{b.clock.now:%m%d}"
    for sale, lost in zip(sales, ("reply", "request"), strict=True):
        b.line.drop_next(lost)
        stories.refund(b, sale.rrn, day, 3000, wait=False)
        b.clock.advance(70)
        b.to_idle()
    begin(b)
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    # One of them is there, nobody knows which: both stay open, the host lists the difference.
    assert [t.state for t in b.journal()].count("unknown") == 2
    assert len(b.host.ledger().discrepancies) == 1
    assert b.shows("未完成交易: 2")


# -- the host says no ------------------------------------------------------------------------------


def test_no_answer_to_the_totals_begins_nothing(b):
    stories.sale(b, 1000)
    b.line.drop_next("reply")
    begin(b)
    b.wait_for("结算未开始", timeout=100)
    b.to_idle()
    stories.sale(b, 500)
    stories.settle(b)
    agree(b)


def test_a_power_cut_before_the_totals_are_answered_begins_nothing(b):
    stories.sale(b, 1000)
    b.line.delay_next("reply", 5)
    begin(b)
    b.wait_until(lambda: operations(b)[-1] == "settlement", timeout=30)
    desk.restart(b)
    log_in(b)
    b.to_idle()
    stories.sale(b, 500)  # the host has compared other totals meanwhile: they are compared again
    stories.settle(b)
    agree(b)


def test_a_refused_settlement_says_why_and_begins_nothing(b):
    stories.sale(b, 1000)
    b.host.rule("settlement", code="96")
    begin(b)
    b.wait_for("中心系统异常")
    b.to_idle()
    stories.sale(b, 500)
    stories.settle(b)
    agree(b)


def test_a_batch_the_host_does_not_know_is_closed_by_the_supervisor(b):
    trade(b)
    b.host.rule("settlement", verdict="3")
    begin(b)
    b.wait_for("对账出错")
    b.press("CANCEL")
    b.to_idle()
    assert not b.shows("结算未完成")  # nothing was begun: it may be tried again
    b.host.rule("settlement", verdict="3")
    begin(b)
    b.wait_for("对账出错")
    b.press("ENTER")
    key_in(b, "123456")
    assert b.shows("本机结束本批")
    b.press("ENTER")
    b.wait_for("请刷卡", timeout=120)
    totals, details = b.rig.paper.receipts[-2:]
    assert "对账出错" in totals and "主机数据" in totals and "人工对账" in totals
    assert details.count("622202*********0128") == 5
    assert any("closed by hand" in note for note in desk.notes(b, "S"))
    assert all(t.state in ("settled", "voided", "refunded") for t in b.journal())


def test_an_upload_the_host_refuses_can_be_tried_again_or_closed_by_hand(b):
    trade(b)
    b.host.rule("settlement", verdict="2")
    b.host.rule("upload", code="96")
    begin(b)
    b.wait_for("主机不接受本批")
    b.press("CANCEL")
    b.wait_for("按任意键继续")
    b.press("ENTER")
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    agree(b)


# -- papers ----------------------------------------------------------------------------------------


def test_paper_ends_in_the_settlement_slip(b):
    trade(b)
    b.rig.paper.runs_out_after(9)
    begin(b)
    b.wait_for("打印机缺纸")
    assert b.host.ledger().batches["00000001", 1][1]  # the money is settled whatever the paper does
    b.rig.load_paper()
    b.press("ENTER")
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.to_idle()
    assert "净额" in b.rig.paper.receipts[-1]
    assert "DUPLICATED" not in b.rig.paper.receipts[-1]
    agree(b)


def test_power_fails_while_the_settlement_slip_is_printed(b):
    trade(b)
    begin(b)
    b.wait_until(lambda: "结算总计单" in b.paper(), timeout=30)
    desk.restart(b)
    log_in(b)
    b.wait_for("结算单未打印")
    b.press("ENTER")
    b.to_idle()
    assert "净额" in b.rig.paper.receipts[-1] and "DUPLICATED" not in b.rig.paper.receipts[-1]
    desk.restart(b)
    log_in(b)
    b.to_idle()  # it is not offered again
    agree(b)


def test_reprints_after_settlement(b):
    trade(b)
    stories.settle(b)
    image = bytes(b.rig.flash[wiring.JOURNAL].mem)
    first = b.rig.paper.receipts[-1]
    b.choose("重打结算单")
    b.to_idle()
    again = b.rig.paper.receipts[-1]
    assert "DUPLICATED" in again
    assert [line for line in again.splitlines() if "DUPLICATED" not in line] == first.splitlines()
    b.choose("上批明细")
    b.to_idle()
    assert b.rig.paper.receipts[-1].count("622202*********0128") == 5
    b.choose("重打任意一笔")
    key_in(b, "2")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    for slip in b.rig.paper.receipts[-2:]:
        assert "DUPLICATED" in slip and "10.00" in slip
    assert bytes(b.rig.flash[wiring.JOURNAL].mem) == image  # a reprint changes nothing


# -- card numbers at rest --------------------------------------------------------------------------


def images(b):
    return [bytes(nor.mem) for nor in b.rig.flash]


def test_card_numbers_never_rest_in_clear_and_die_with_the_batch(b):
    seen = []
    for step in (lambda: trade(b), lambda: None, lambda: stories.settle(b)):
        step()
        seen += images(b)
    for image in seen:
        for form in forms(CARD):
            assert form not in image
        assert b"=3012" not in image
    # With the key of the batch the numbers can be read, so this would find them; without it never.
    before, after = seen[:2], seen[-2:]
    assert readable(before[0], keys_in(before[1]), CARD) > 0
    assert readable(after[0], keys_in(after[1]), CARD) == 0


def test_a_power_cut_in_the_close_does_not_keep_the_key_of_the_batch(b):
    trade(b)
    key = keys_in(images(b)[1])
    for at in range(40):
        b.power_cut(at_flash_op=at, torn=True)
        begin(b) if not b.shows("结算未完成") else b.press("ENTER")
        b.wait_until(lambda: not b.powered or b.shows("打印交易明细?"), timeout=120)
        if b.powered:
            break
        b.power_on()
        log_in(b)
        b.clock.advance(8)
        closed = all(t.state in ("settled", "voided", "refunded") for t in b.journal())
        journal, vault = images(b)
        if closed:
            assert readable(journal, keys_in(vault), CARD) == 0, at
            break
    assert closed
    assert readable(images(b)[0], key, CARD) > 0  # the old key would still open them: it is gone


def keys_in(vault):
    """Every 16 bytes in a row that could be a key."""
    return {vault[at : at + 16] for at in range(len(vault) - 15)
            if vault[at : at + 4] != b"\xff" * 4}


def readable(journal, keys, pan):
    """How many of ``keys`` open a card number in the journal's image."""
    blocks = [record.payload[32:48] for record in decode(journal).records if record.kind == 1]
    wanted = bytes.fromhex(pan + "f" * (20 - len(pan)))
    opened = 0
    for key in keys:
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
        opened += any(
            decryptor.update(block)[1:11] == wanted for block in blocks if len(block) == 16)
    return opened
