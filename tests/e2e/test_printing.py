"""Slips on paper: what stands on them, in both languages, and whatever the printer does."""

import re

import pytest

from host_tools.bench import stories, wiring
from tests.e2e import desk
from tests.e2e.desk import key_in, log_in
from tests.e2e.kit import CARDS, pick, word

CARD = stories.CARD
RICH = CARDS["rich"]
MASKED = "622202*********0128"


def in_order(slip, *wanted):
    """All of ``wanted`` stand on the slip, one below the other (or behind it)."""
    at = 0
    for text in wanted:
        found = slip.find(text, at)
        assert found >= 0, f"{text!r} is missing behind {slip[max(0, at - 30):at]!r} in\n{slip}"
        at = found + len(text)


def clean(slip):
    """No slip may hold a full card number, an expiry, or a line that is too wide."""
    assert CARD not in slip and "3012" not in slip and "有效期" not in slip
    for line in slip.splitlines():
        columns = sum(1 if c < "\x80" else 2 for c in line)
        assert columns <= 32, line


# -- the sales slip --------------------------------------------------------------------------------


def test_the_sales_slip_has_its_lines_in_their_order(b):
    sale = stories.sale(b, 12345)
    merchant, cardholder = b.rig.paper.receipts
    lines = ("POS签购单", "商户存根 MERCHANT COPY", "商户名称 末笔便利店", "123456789012345",
             "00000001", "操作员", "01", "发卡行", "工商银行 01020000", "卡号", MASKED + " /S",
             "收单行", "银联商务 48021000", "消费 SALE", "批次号", "000001", "凭证号",
             f"{sale.trace:06d}", "授权码", sale.auth, "日期时间", "2026-11-22 09:00", "参考号",
             sale.rrn, "金额", "RMB 123.45", "状态", "成功", "可撤销",
             "持卡人签名 CARDHOLDER SIGNATURE", "本人确认以上交易", "客服电话 95516")
    in_order(merchant, *lines)
    in_order(cardholder, "持卡人存根 CARDHOLDER COPY", "123.45", "客服电话 95516")
    assert "签名" not in cardholder and "本人确认" not in cardholder
    for slip in (merchant, cardholder):
        clean(slip)
        assert "-123.45" not in slip and "DUPLICATED" not in slip


def test_the_same_in_english(make_bench):
    b = make_bench(language="en")
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 12345)
    merchant, cardholder = b.rig.paper.receipts
    in_order(merchant, "SALES SLIP", "MERCHANT COPY", "123456789012345", "00000001", "Operator",
             "Issuer", "ICBC 01020000", MASKED + " /S", "SALE", "Batch", "Voucher",
             f"{sale.trace:06d}", "Auth", sale.auth, "RRN", sale.rrn, "RMB 123.45", "Approved",
             "CARDHOLDER SIGNATURE", "Service 95516")
    assert "SIGNATURE" not in cardholder
    for slip in (merchant, cardholder):
        clean(slip)
        # The merchant's name is what it is; everything else is English.
        words = slip.replace("末笔便利店", "")
        assert not re.search("[\u4e00-\u9fff]", words), words


def test_three_copies_end_with_the_banks(make_bench):
    b = make_bench(settings={"copies": 3})
    b.power_on()
    b.sign_on()
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, "500")
    key_in(b, stories.PIN)
    for copy in ("持卡人存根", "银行存根"):
        b.wait_for("请撕纸")
        b.press("ENTER")
        b.wait_until(lambda copy=copy: copy in b.paper(), what=copy)
    b.to_idle()
    assert "签名" in b.rig.paper.receipts[2] and b.journal()[-1].printed == 7


def test_the_next_copy_comes_by_itself_or_not_at_all(b):
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, "500")
    key_in(b, stories.PIN)
    b.wait_for("请撕纸")
    b.clock.advance(12)  # nobody tears
    b.to_idle()
    assert len(b.rig.paper.receipts) == 2
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, "700")
    key_in(b, stories.PIN)
    b.wait_for("请撕纸")
    b.press("CANCEL")
    b.to_idle()
    assert len(b.rig.paper.receipts) == 3 and b.journal()[-1].printed == 1


def test_a_keyed_card_number_is_marked(b):
    b.choose("消费")
    key_in(b, CARD)
    key_in(b, "3012")
    b.press("ENTER")
    key_in(b, "500")
    key_in(b, stories.PIN)
    b.wait_for("交易成功")
    stories.finish(b)
    assert MASKED + " /M" in b.rig.paper.receipts[-1]


def test_a_void_names_its_original_and_says_when_the_money_returns(b):
    sale = stories.sale(b, 4000)
    void = stories.void_last(b)
    merchant, cardholder = b.rig.paper.receipts[-2:]
    for slip in (merchant, cardholder):
        in_order(slip, "消费撤销 VOID", f"{void.trace:06d}", "RMB -40.00", "原凭证号",
                 f"{sale.trace:06d}", "授权主管", "00", "款项退回原卡,一般当日到账", "客服电话")
        clean(slip)


def test_a_refund_names_reference_and_date(b):
    sale = stories.sale(b, 4000)
    day = f"{b.clock.now:%m%d}"
    stories.refund(b, sale.rrn, day, 1500)
    slip = b.rig.paper.receipts[-1]
    in_order(slip, "退货 REFUND", "RMB -15.00", "原参考号", sale.rrn, "原交易日期", day,
             "约3-5个工作日")
    clean(slip)


def test_the_hosts_texts_are_printed_and_its_rubbish_is_not(b):
    issuer = "发卡行提示".ljust(15)  # 20 bytes of GBK
    text = "VIS" + issuer + " " * 20 + "\x1b@acquirer".ljust(20)
    b.host.rule("sale", wrong_field=(63, text))
    b.host.rule("sale", nth=2, wrong_field=(44, ("\x01\x02").ljust(22)))
    stories.sale(b, 100)
    slip = b.rig.paper.receipts[-1]
    in_order(slip, "卡组织", "VIS", "发卡行提示")
    assert "acquirer" in slip and "\x1b" not in slip


def test_half_a_character_of_the_host_spoils_no_line(b):
    # The 20 bytes of the issuer's text end in the middle of a character.
    b.host.rule("sale", wrong_field=(63, "VIS" + "x" * 19 + "发" + "1" * 10))
    stories.sale(b, 100)
    lines = b.rig.paper.receipts[-1].splitlines()
    assert "x" * 19 + "?" in lines and lines[lines.index("x" * 19 + "?") + 1].startswith("?111")


def test_test_mode_makes_every_slip_worthless(make_bench):
    b = make_bench(settings={"test_mode": 1})
    b.power_on()
    b.sign_on()
    stories.sale(b, 100)
    stories.settle(b)
    assert len(b.rig.paper.receipts) == 3
    for slip in b.rig.paper.receipts:
        assert slip.lstrip().startswith("测试,凭证无效")


def test_the_fee_stands_on_the_merchants_papers_only(make_bench):
    b = make_bench(settings={"fee_bp": 60})
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 12345)
    merchant, cardholder = b.rig.paper.receipts[-2:]
    in_order(merchant, "手续费约", "0.74")
    assert "手续费" not in cardholder
    stories.void_last(b)
    assert "退手续费约" in b.rig.paper.receipts[-2]
    sale = stories.sale(b, 10000)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 10000)
    assert "退货不退手续费" in b.rig.paper.receipts[-2]
    b.choose("交易查询/按凭证号查询")
    key_in(b, str(sale.trace))
    assert "0.60" in desk.everything(b)


def test_the_fee_is_told_before_a_void_and_before_a_refund(make_bench):
    for returned, words in ((0, "退货不退手续费"), (1, "退手续费约0.60")):
        b = make_bench(settings={"fee_bp": 60, "fee_returned": returned})
        b.power_on()
        b.sign_on()
        sale = stories.sale(b, 10000)
        b.press("LAST")
        key_in(b, stories.SUPERVISOR)
        assert "退手续费约0.60" in "".join(b.read()).replace(" ", "")
        b.press("CANCEL")
        b.to_idle()
        b.press("REFUND")
        key_in(b, stories.SUPERVISOR)
        b.swipe(CARD)
        b.press("ENTER")
        for digits in (sale.rrn, f"{b.clock.now:%m%d}", "10000"):
            key_in(b, digits)
        assert words in "".join(b.read()).replace(" ", "")


# -- reprints --------------------------------------------------------------------------------------


def test_reprints_are_marked_and_change_nothing(b):
    stories.sale(b, 1000)
    second = stories.sale(b, 2000)
    image = bytes(b.rig.flash[wiring.JOURNAL].mem)
    originals = b.rig.paper.receipts[-2:]
    b.choose("重打最后一笔")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    for original, again in zip(originals, b.rig.paper.receipts[-2:], strict=True):
        assert "****重打印/DUPLICATED****" in again
        assert [x for x in again.splitlines() if "DUPLICATED" not in x] == original.splitlines()
    b.choose("重打任意一笔")
    key_in(b, str(second.trace - 1))
    b.wait_for("请撕纸")
    b.press("CANCEL")
    b.to_idle()
    assert "RMB 10.00" in b.rig.paper.receipts[-1]
    b.choose("打印明细")
    b.to_idle()
    assert b.rig.paper.receipts[-1].count(MASKED) == 2
    b.choose("打印汇总")
    b.to_idle()
    in_order(b.rig.paper.receipts[-1], "结算总计单", "未对账", "30.00")
    assert bytes(b.rig.flash[wiring.JOURNAL].mem) == image


def test_a_voided_sale_is_reprinted_as_voided(b):
    sale = stories.sale(b, 1000)
    stories.void_last(b)
    b.choose("重打任意一笔")
    key_in(b, str(sale.trace))
    b.wait_for("请撕纸")
    b.press("CANCEL")
    b.to_idle()
    slip = b.rig.paper.receipts[-1]
    in_order(slip, "消费 SALE", "RMB 10.00", "状态", "已撤销", "已撤销", "DUPLICATED")


def test_what_has_no_slip_cannot_be_reprinted(b):
    b.choose("重打最后一笔")
    assert b.shows("无交易")
    b.to_idle()
    b.choose("重打任意一笔")
    key_in(b, "77")
    assert b.shows("原交易不存在")
    b.to_idle()
    b.choose("重打结算单")
    assert b.shows("没有已结算批次")
    b.to_idle()
    stories.sale(b, 900, pan="6222021234567891415", wait=False)
    b.to_idle()
    b.choose("重打任意一笔")
    key_in(b, str(b.journal()[-1].trace))
    assert b.shows("该交易被拒绝")


def test_the_reason_of_a_void_stands_on_the_merchants_duplicate(b):
    stories.sale(b, 1000)
    stories.void_last(b)
    b.choose("重打最后一笔")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    merchant, cardholder = b.rig.paper.receipts[-2:]
    assert ("原因" in merchant) >= ("原因" in cardholder) and "原因" not in cardholder


# -- the printer's troubles ------------------------------------------------------------------------


def start_sale(b, amount=1000):
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, str(amount))
    key_in(b, stories.PIN)


@pytest.mark.pico
def test_paper_ends_in_the_middle_of_a_slip(b):
    b.rig.paper.runs_out_after(12)
    start_sale(b)
    b.wait_for("打印机缺纸")
    assert b.shows("处理后按确认")
    assert b.journal()[-1].state == "approved" and not b.journal()[-1].printed
    b.press("ENTER")  # without a new roll
    b.wait_for("打印机缺纸")
    b.rig.load_paper()
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert b.journal()[-1].printed == 3
    whole = [slip for slip in b.rig.paper.receipts if "客服电话" in slip]
    assert len(whole) == 2 and all("DUPLICATED" not in slip for slip in whole)
    assert b.paper().count("客服电话") == 2  # the rest of the torn slip never came out


def test_the_slip_can_wait(b):
    b.rig.paper.runs_out_after(3)
    start_sale(b)
    b.wait_for("打印机缺纸")
    b.press("CANCEL")
    b.to_idle()
    b.rig.load_paper()
    b.choose("重打最后一笔")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert b.journal()[-1].printed == 3
    assert all("DUPLICATED" not in slip for slip in b.rig.paper.receipts)


def test_an_open_cover_and_a_silent_printer(b):
    b.rig.paper.open_cover()
    start_sale(b)
    b.wait_for("打印机盖未关")
    b.rig.close_cover()
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    b.rig.paper.silence()
    start_sale(b, 2000)
    b.wait_for("打印机无响应")
    b.rig.paper.silence(False)
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert [t.printed for t in b.journal()] == [3, 3]


def test_power_fails_while_a_slip_is_printed(b):
    start_sale(b)
    b.wait_until(lambda: "签购单" in b.paper(), timeout=20)
    desk.restart(b)
    log_in(b)
    b.wait_for("上笔签购单未印完")
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert b.journal()[-1].printed == 3
    assert len([t for t in b.host.ledger().transactions]) == 1
    assert "DUPLICATED" not in b.paper()


def test_nobody_mends_the_printer(b):
    b.rig.paper.runs_out_after(0)
    start_sale(b)
    b.wait_for("打印机缺纸")
    b.clock.advance(62)
    b.wait_for("请刷卡")
    assert b.journal()[-1].state == "approved"


# -- large amounts ---------------------------------------------------------------------------------

LARGEST = 999_999_999


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_largest_refund_is_whole_on_paper_and_panel(make_bench, language):
    b = make_bench(language=language, settings={"refund_limit": LARGEST, "fee_bp": 1000})
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, LARGEST, pan=RICH)
    refund = stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", LARGEST, pan=RICH)
    for slip in b.receipts()[-2:]:
        clean(slip)
        assert "RMB -9,999,999.99\n" in slip
    for slip in b.receipts()[:2]:
        assert "RMB 9,999,999.99\n" in slip
    b.choose(word(b, "print_detail"))
    b.to_idle()
    clean(b.receipts()[-1])
    kind = word(b, "slip_refund")
    assert re.search(rf"{refund.trace:06d} {kind} +9,?999,?999\.99", b.receipts()[-1])
    # The same card and amount again: the whole amount is asked about.
    b.swipe(RICH)
    b.press("ENTER")
    key_in(b, str(LARGEST - 1))
    b.press("CANCEL")
    b.to_idle()
    b.choose(word(b, "by_voucher"))
    key_in(b, str(refund.trace))
    assert "9,999,999.99" in desk.everything(b)
    ledger = b.host.ledger().transactions
    assert [t.amount for t in ledger] == [LARGEST, LARGEST]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_batch_above_100_million_keeps_counts_and_digits(make_bench, language):
    b = make_bench(language=language, settings={"repeat_minutes": 0, "copies": 1})
    b.power_on()
    b.sign_on()
    for _ in range(10):
        stories.sale(b, LARGEST, pan=RICH)
    stories.sale(b, 999_999)
    stories.sale(b, 1, pan=RICH)
    total = "100,009,999.90"
    b.choose(word(b, "totals"))
    assert total in desk.everything(b)
    b.to_idle()
    stories.settle(b)
    slip = b.receipts()[-1]
    clean(slip)
    for name in ("slip_sale", "debit"):
        assert re.search(rf"^{word(b, name)} +12\n +{total}$", slip, re.M), slip
    assert re.search(rf"{word(b, 'net')} +{total}", slip)
    assert b.host.ledger().balance("merchant") == 10_000_999_990


# -- which slips are owed, and of what -------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("newest", ["lost", "declined"])
def test_reprint_last_never_steps_back_in_silence(make_bench, language, newest):
    b = make_bench(language=language, settings={"copies": 1, "reversal_minutes": 0})
    b.power_on()
    b.sign_on()
    first = stories.sale(b, 1500)
    if newest == "lost":
        stories.lost_sale(b, 1500)
    else:
        stories.sale(b, 1500, pan=CARDS["lost"], wait=False)
        b.clock.advance(5)
        press_until_idle(b)
    second = b.journal()[-1]
    printed = len(b.receipts())
    b.choose(word(b, "reprint_last"))
    said = " ".join(b.read())
    state = word(b, "state_reversal_due" if newest == "lost" else "state_declined")
    for wanted in (word(b, "newest_is"), f"{second.trace:06d}", state, word(b, "no_slip_of_it"),
                   word(b, "slip_before_it"), f"{first.trace:06d}"):
        assert wanted in said, said
    assert len(b.receipts()) == printed
    b.press("CANCEL")
    b.to_idle()
    assert len(b.receipts()) == printed
    b.choose(word(b, "reprint_last"))
    b.press("ENTER")
    b.to_idle()
    assert f"{first.trace:06d}" in b.receipts()[-1] and "DUPLICATED" in b.receipts()[-1]


def press_until_idle(b):
    for _ in range(6):
        b.press("CANCEL")
    b.to_idle()


def test_reprint_last_says_why_there_is_none(b):
    stories.lost_sale(b, 1500)
    b.choose("重打最后一笔")
    assert b.shows("该交易待冲正,无签购单")


def test_a_balance_has_no_slip(b):
    b.choose("余额查询")
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, stories.PIN)
    b.wait_for("可用余额")
    b.to_idle()
    trace = b.journal()[-1].trace
    b.choose("重打任意一笔")
    key_in(b, str(trace))
    assert b.shows("余额查询没有签购单")
    b.to_idle()
    b.choose("重打最后一笔")
    assert b.shows("无交易")
    b.to_idle()
    assert b.paper() == ""


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("cut_at", ["first", "second"])
def test_a_late_refunds_slip_is_owed_behind_a_newer_sale(make_bench, language, cut_at):
    b = make_bench(language=language)
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 4000)
    b.line.drop_next("reply")
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1500, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "unknown", 120, "an unknown refund")
    b.to_idle()
    stories.sale(b, 2000)
    pieces = len(b.receipts())
    b.choose(word(b, "unfinished"))
    b.press("ENTER", "ENTER")
    pick(b, word(b, "step_query"))
    b.wait_for(word(b, "enter_steps"))
    b.press("ENTER", "1")
    title = word(b, "copy_cardholder" if cut_at == "second" else "copy_merchant")
    if cut_at == "second":
        b.wait_for(stories.text(b, "tear_off"))
        b.touch("ENTER")
    b.wait_until(lambda: b.paper().count(title) == 3, 20, title)
    desk.restart(b)
    log_in(b)
    refund = next(t for t in b.journal() if t.kind == "refund")
    assert (refund.state, refund.printed) == ("approved", 1 if cut_at == "second" else 0)
    b.wait_for(word(b, "slip_owed"))
    assert b.shows(f"{refund.trace:06d}") and b.shows("15.00")
    b.press("ENTER")
    if cut_at == "first":
        b.wait_for(stories.text(b, "tear_off"))
        b.press("ENTER")
    b.to_idle()
    assert [t.printed for t in b.journal()] == [3, 3, 3]
    assert len(b.receipts()) > pieces and word(b, "late_result") in b.receipts()[-1]
    desk.restart(b)
    log_in(b)
    b.clock.advance(5)
    assert not b.shows(word(b, "slip_owed"))


def test_cancel_while_a_copy_is_printed_does_not_answer_the_next_question(b):
    start_sale(b)
    b.wait_until(lambda: "签购单" in b.paper(), timeout=20)
    b.touch("CANCEL")
    b.wait_for("请撕纸")
    b.clock.advance(12)
    b.to_idle()
    assert b.journal()[-1].printed == 3 and len(b.receipts()) == 2


def whole_slips(b):
    """All pieces of paper with a sales slip; each one begins with its title and ends with its
    foot, or is a torn one that ends where it was torn."""
    for slip in b.receipts():
        assert slip.count("签购单") <= 1, slip
    return [slip for slip in b.receipts() if slip.endswith("客服电话 95516")]


def test_a_torn_piece_does_not_hang_on_the_next_slip(b):
    b.swipe(CARD)
    b.press("ENTER")
    key_in(b, "1000")
    key_in(b, stories.PIN)
    b.wait_until(lambda: "终端号" in b.paper(), timeout=20)
    b.rig.paper.open_cover()
    b.wait_for("打印机盖未关")
    b.rig.close_cover()
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert len(whole_slips(b)) == 2 and len(b.receipts()) == 3


def test_nor_does_one_that_a_power_cut_left(b):
    start_sale(b)
    b.wait_until(lambda: "终端号" in b.paper(), timeout=20)
    desk.restart(b)
    log_in(b)
    b.wait_for("上笔签购单未印完")
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert len(whole_slips(b)) == 2 and len(b.receipts()) == 3


def test_a_refund_that_settlement_finds_booked_gets_its_slip(b):
    sale = stories.sale(b, 4000)
    b.line.drop_next("reply")
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1500, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "unknown", 120, "an unknown refund")
    b.to_idle()
    b.choose("结算")
    b.press("ENTER", "ENTER")
    b.wait_for("打印交易明细?")
    b.press("CANCEL")
    b.wait_for("签购单未打印")
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert "RMB -15.00" in b.receipts()[-1] and "迟到结果" in b.receipts()[-1]
    assert [t.printed for t in b.journal() if t.kind == "refund"] == [3]


# -- printers that answer nothing, or were left in the middle of a command -------------------------


def test_a_command_that_a_power_cut_left_half_done_spoils_no_slip(b):
    for half in (b"\x1b!", b"\x1b", b"\x1da", b"\x1bd", "末".encode("gbk")[:1], b"\x10\x04"):
        before = len(b.receipts())
        b.rig.paper.feed(half, b.kernel.now_us)
        stories.sale(b, 1000 + before)
        for slip in b.receipts()[before:]:
            assert slip.lstrip().startswith("POS签购单"), (half, slip)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_printer_that_never_answers_is_asked_about(make_bench, language):
    b = make_bench(language=language, settings={"printer_answers": 0})
    b.rig.paper.never_answers = True
    b.power_on()
    b.sign_on()
    start_sale(b)
    question = word(b, "came_out").partition("\n")[0]
    b.wait_for(question)
    assert b.journal()[-1].printed == 0 and "RMB 10.00" in b.paper()
    b.press("CANCEL")  # nothing to be seen
    b.wait_for(word(b, "print_again"))
    b.press("ENTER")
    b.wait_for(question)
    b.press("ENTER")
    b.wait_for(stories.text(b, "tear_off"))
    b.press("ENTER")
    b.wait_for(question)
    b.press("ENTER")
    b.to_idle()
    assert b.journal()[-1].printed == 3 and len(b.receipts()) == 3
    b.choose(word(b, "self_check"))
    b.wait_for(word(b, "unit_printer"))
    assert word(b, "printer_silent") not in desk.everything(b)


def test_nobody_says_that_the_slip_came_out(make_bench):
    b = make_bench(settings={"printer_answers": 0})
    b.rig.paper.never_answers = True
    b.power_on()
    b.sign_on()
    start_sale(b)
    b.wait_for("本联已完整打出")
    b.clock.advance(130)
    b.to_idle()
    assert b.journal()[-1].printed == 0 and b.journal()[-1].state == "approved"


def test_power_on_waits_for_the_end_of_the_boot(make_bench):
    b = make_bench()
    b.rig.paper.silence()
    b.power_on()
    assert b.shows("操作员登录"), b.screen()
