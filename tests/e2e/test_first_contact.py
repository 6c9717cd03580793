"""What a newcomer stumbles over: prompts that say what is missing, keys that are not swallowed,
papers and lists that say where a number is found, and a printer that was put off."""

import re

import pytest

from host_tools.bench import menu, stories
from mobi.ui import strings
from mobi.ui.text import width, wrap
from tests.e2e.kit import SUPERVISOR, enter, word


@pytest.fixture(params=["zh", "en"])
def b(make_bench, request):
    bench = make_bench(language=request.param)
    bench.power_on()
    bench.sign_on()
    return bench


def says(b, zh, en):
    """Is that on the panel, in the language of the bench?"""
    return b.shows(en if b.language == "en" else zh)


# -- fields ---------------------------------------------------------------------------------------


def test_too_short_an_input_is_told_with_what_is_missing(b):
    b.press("VOID")
    assert says(b, "主管密码", "Supervisor's password")
    enter(b, "12")
    assert says(b, "须输满6位", "All 6 digits") and "**" in b.screen()[3]
    b.press("3")  # the next key is taken and the hint goes
    assert not says(b, "须输满6位", "All 6 digits") and "***" in b.screen()[3]
    enter(b, "456")
    assert says(b, "原凭证号", "Original voucher")
    b.press("ENTER")
    assert says(b, "至少输1位", "Min. 1 digits")
    b.to_idle()
    b.swipe("good")
    b.press("ENTER", "ENTER")
    assert says(b, "金额不能为零", "Not zero, please")
    enter(b, "100")
    enter(b, "123")
    assert says(b, "至少输4位", "Min. 4 digits")
    b.to_idle()
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.swipe("good")
    b.press("ENTER")
    enter(b, "1234567890")
    assert says(b, "须输满12位", "All 12 digits")


def test_no_digit_is_swallowed_by_the_message_before_it(b):
    b.press("LAST")  # nothing to void: no password is asked
    b.to_idle()
    stories.sale(b, 100)
    b.press("LAST")
    enter(b, "999999")
    assert says(b, "主管密码错", "Wrong password")
    enter(b, SUPERVISOR)  # typed at once, while that is on the panel
    assert b.shows("1.00"), b.screen()
    b.to_idle()
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.swipe("good")
    b.press("ENTER")
    enter(b, b.journal()[-1].rrn)
    enter(b, "1399")
    assert says(b, "日期错误", "No such date")
    enter(b, f"{b.clock.now:%m%d}")
    assert says(b, "退货金额", "Refund amount"), b.screen()


def test_a_digit_that_ends_a_message_goes_nowhere_else(b):
    b.press("LAST")
    assert says(b, "无交易可撤销", "Nothing to void")
    b.press("2")  # the message goes; the idle screen does not take it for its key 2
    assert menu.is_idle(b)
    b.swipe("good")
    b.press("ENTER")
    assert "0.00" in b.screen()[3]


# -- keys -----------------------------------------------------------------------------------------


def test_the_keys_of_the_idle_screen_work_in_every_menu(b):
    stories.sale(b, 100)
    for way in (["ENTER"], ["FN"], ["ENTER", "6"], ["ENTER", "7", "3"]):
        for key, flow in (("LAST", "void_last"), ("VOID", "void"), ("REFUND", "refund")):
            b.press(*way)
            b.press(key)
            assert b.screen()[0].strip() == word(b, flow), (way, key, b.screen())
            assert says(b, "主管密码", "Supervisor's password")
            b.to_idle()


def test_they_do_nothing_in_the_administrators_menu(b):
    b.power_cut()
    b.power_on()
    enter(b, "99")
    enter(b, "00000000")
    b.wait_for(word(b, "system"))
    before, beeps = b.screen(), b.rig.beeps
    b.press("VOID")
    assert b.screen() == before and b.rig.beeps > beeps


# -- where numbers are found ----------------------------------------------------------------------


def test_prompts_and_lists_lead_to_voucher_and_reference_also_after_settlement(b):
    sale = stories.sale(b, 4200)
    b.press("VOID")
    enter(b, SUPERVISOR)
    assert says(b, "见签购单或明细", "On slip or list")
    b.to_idle()
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.swipe("good")
    b.press("ENTER")
    assert says(b, "原参考号", "Original RRN") and says(b, "见签购单或明细", "On slip or list")
    enter(b, sale.rrn)
    assert [row.strip() for row in b.screen()[1:3]] == (
        ["Original date", "MMDD"] if b.language == "en" else ["原交易日期", "月月日日"])
    b.to_idle()
    stories.settle(b)
    b.choose(word(b, "reprint_details"))
    b.clock.advance(10)
    assert sale.rrn in b.receipts()[-1] and f"{sale.trace:06d}" in b.receipts()[-1]


def test_no_prompt_leaves_a_character_alone_in_its_last_row():
    for name, zh, _ in strings.TABLE:
        text = re.sub(r"%0?\d*d", "12", zh).replace("%s", "100.00").replace("%%", "%")
        for columns in (16, 32):
            for paragraph in text.split("\n"):
                rows = wrap(paragraph, columns)
                alone = len(rows) > 1 and width(rows[-1]) == 2 and not rows[-1].isascii()
                assert not alone, (name, rows)


# -- slips and printer ----------------------------------------------------------------------------


def test_each_slip_is_headed_by_what_it_is(b):
    sale = stories.sale(b, 4200)
    stories.void(b, sale.trace)
    sold = stories.sale(b, 4200)
    stories.refund(b, sold.rrn, f"{b.clock.now:%m%d}", 4200)
    heads = [receipt.splitlines()[0].strip() for receipt in b.receipts()]
    if b.language == "zh":
        assert set(heads) == {"POS签购单"}
    else:
        assert heads == ["SALES SLIP"] * 2 + ["VOID SLIP"] * 2 + ["SALES SLIP"] * 2 + [
            "REFUND SLIP"] * 2
        assert b.paper().isascii() and "Mobi Corner Shop" in b.paper()


def test_a_printer_that_was_put_off_and_its_slip_stand_on_the_idle_screen(b):
    b.rig.paper.runs_out_after(3)
    stories.sale(b, 6000, wait=False)
    b.wait_for(word(b, "printer_paper"))
    b.press("CANCEL")
    b.to_idle()
    assert says(b, "缺纸", "No paper") and says(b, "有签购单未打印", "Slip not printed")
    assert menu.is_idle(b)
    b.choose(word(b, "print_totals"))  # still no paper, and nothing more is owed
    b.wait_for(word(b, "printer_paper"))
    b.press("CANCEL")
    b.to_idle()
    assert says(b, "缺纸", "No paper") and says(b, "有签购单未打印", "Slip not printed")
    b.rig.load_paper()
    b.choose(word(b, "print_totals"))  # paper is there; the slip is not out yet
    b.clock.advance(10)
    b.to_idle()
    assert not says(b, "缺纸", "No paper") and says(b, "有签购单未打印", "Slip not printed")
    b.choose(word(b, "reprint_last"))
    b.clock.advance(20)
    b.to_idle()
    assert not says(b, "有签购单未打印", "Slip not printed") and b.journal()[-1].printed == 3


def test_a_printer_without_power_is_told_too(b):
    b.rig.paper.silence()
    b.choose(word(b, "print_totals"))
    b.wait_for(word(b, "printer_silent"))
    b.press("CANCEL")
    b.to_idle()
    assert says(b, "打印故障", "No printer") and not says(b, "有签购单未打印", "Slip not printed")
