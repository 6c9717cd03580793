"""What the bench promises to other people's tests: every call of its contract, and its errors."""

import re
from itertools import pairwise

import pytest
from PIL import Image

from host_tools.acquirer import Acquirer
from host_tools.bench import Bench, Timeout, boards, byte_code, keypad, menu, provisioning, stories
from host_tools.bench import line as line_module
from host_tools.bench.bench import NoPower, WrongUse
from tests.e2e.kit import pick

CARD = "6222021234567890128"


def sell(b, amount="1234"):
    """A sale by the calls of the contract alone."""
    b.press("1")
    b.swipe(CARD, expiry="3012")
    b.press("ENTER")
    b.wait_for("请输入金额")
    b.type(amount)
    b.press("ENTER")
    b.wait_for("请输入密码")
    b.type("123456")
    b.press("ENTER")
    b.wait_for("交易成功")


# -- the whole contract once ----------------------------------------------------------------------


def test_the_contract_from_power_on_to_the_ledger(tmp_path):
    with Bench(board="unix", seed=1) as b:
        b.power_on()
        b.sign_on(operator="01", password="0000")
        sell(b)
        b.screenshot(tmp_path / "x.png")
        stories.finish(b)
        b.paper_png(tmp_path / "paper.png")
        for name, least in (("x.png", (128, 64)), ("paper.png", (384, 300))):
            with Image.open(tmp_path / name) as picture:
                assert picture.width > least[0] and picture.height > least[1]
        assert len(b.screen()) == 4 and "请刷卡" in "".join(b.screen())
        assert "12.34" in b.paper() and len(b.receipts()) == 2
        (sale,) = b.journal()
        assert (sale.kind, sale.amount, sale.state) == ("sale", 1234, "approved")
        assert (sale.batch, sale.masked_pan) == (1, "622202*********0128")
        assert sale.original_trace == 0 and re.fullmatch(r"\w{12}", sale.rrn)
        ledger = b.host.ledger()
        (booked,) = ledger.transactions
        for name in ("kind", "amount", "state", "rrn", "trace", "batch", "masked_pan"):
            assert getattr(booked, name) == getattr(sale, name), name
        assert ledger.balance("merchant") == 1234
        assert ledger.balance(CARD) == 1_000_000 - 1234
        assert sum(entry.amount for entry in ledger.entries) == 0
        assert [e.fields["t"] for e in b.trace()] == ["0800", "0810", "0200", "0210"]
        assert CARD not in "".join(e.text() for e in b.trace())
        folder = b.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_magic_words_of_the_menus(b):
    b.choose("交易查询")
    assert b.shows("按凭证号查询")
    b.choose("按凭证号查询")
    assert b.shows("凭证号")
    b.to_idle()
    b.choose("打印/重打结算单")
    assert b.shows("没有已结算批次")


def test_digit_keys_of_the_idle_screen_open_the_menu_entries(b):
    b.press("1")
    assert b.shows("消费") and b.shows("请刷卡")
    b.press("取消")
    b.press("last")
    assert b.shows("末笔撤销") or b.shows("无交易可撤销")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_choose_reaches_every_entry_of_the_administrators_menu_from_every_page(
    make_bench, language
):
    b = make_bench(language=language)
    b.power_on()
    items = [item["labels"][language == "en"] for item in menu.tree()["system"]]
    for downs in (0, 6, 10):
        for label in items[-1], items[4], items[0]:
            b.power_cut()
            b.power_on()
            b.type("99")
            b.press("ENTER")
            b.type("00000000")
            b.press("ENTER")
            b.wait_for(items[0])
            b.press(*["DOWN"] * downs)
            b.choose(label)
            assert b.screen()[0].strip(" ↓↑↕") != menu.SYSTEM[language == "en"], label


def test_choose_looks_for_every_label_on_the_panel(b):
    b.choose("打印")
    assert b.shows("重打最后一笔")
    b.choose("打印汇总")  # is in the menu that is open
    b.to_idle()
    b.choose("版本")
    assert b.shows("Mobi")


# -- faults ---------------------------------------------------------------------------------------


def test_line_faults_by_the_names_of_the_contract(b):
    b.line.delay_next("reply", 45)
    before = b.clock.seconds
    sell(b, "100")
    assert 45 < b.clock.seconds - before < 55
    stories.finish(b)
    b.line.drop_next("reply")
    stories.sale(b, 200, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "reversal_due", timeout=120)
    b.to_idle()
    stories.sale(b, 300)
    assert [t.state for t in b.journal()] == ["approved", "reversed", "approved"]
    b.line.noise(ber=1e-4)
    stories.sale(b, 400)
    b.line.restore()
    assert b.line.ber == 0
    b.line.duplicate_next("reply")
    stories.sale(b, 500)
    b.host.ledger().check()
    assert b.host.ledger().balance("merchant") == 100 + 300 + 400 + 500


def test_a_cut_line_is_told_before_anything_is_sent_and_can_mend_itself(b):
    b.line.cut()
    stories.sale(b, 100, wait=False)
    b.wait_for("线路不通")
    b.to_idle()
    assert not b.host.ledger().transactions
    b.line.restore()
    b.line.cut(seconds=20)
    assert b.line.is_cut
    b.clock.advance(21)
    assert not b.line.is_cut
    stories.sale(b, 100)


def test_a_line_can_be_cut_after_so_many_bytes(b):
    start = b.line.carried
    stories.sale(b, 100)
    whole = b.line.carried - start
    frames = [end - start for end in b.line.frame_ends if end > start]
    assert frames[-1] == whole and len(frames) >= 4
    start = b.line.carried
    b.line.cut(after_bytes=frames[0] + 3)
    stories.sale(b, 200, wait=False)
    assert b.line.is_cut and b.line.carried - start == frames[0] + 3


def test_host_rules_reach_the_terminal(b):
    b.host.rule("sale", code="51")
    stories.sale(b, 100, wait=False)
    b.wait_for("51")
    assert b.journal()[-1].state == "declined"
    b.to_idle()
    b.host.rule("sale", approve_after_reversal=True)
    stories.sale(b, 200, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "reversal_due", timeout=120)
    b.to_idle()
    stories.sale(b, 300)
    assert [t.state for t in b.journal()[-2:]] == ["reversed", "approved"]
    b.host.rule("sale", cut=20)
    stories.sale(b, 400, wait=False)
    assert b.line.is_cut
    b.clock.advance(21)
    assert not b.line.is_cut
    b.host.ledger().check()


def test_power_cut_now_and_at_a_flash_operation(b):
    b.power_cut()
    assert not b.powered and b.screen() == ["", "", "", ""]
    for act in (lambda: b.press("1"), lambda: b.type("12"), lambda: b.swipe(CARD),
                lambda: b.scan("6" * 18)):
        with pytest.raises(NoPower, match=r"the terminal is off(.|\n)*power_on"):
            act()
    b.power_on()
    assert b.shows("操作员号")
    b.sign_on()
    b.power_cut(at_flash_op=0, torn=True)
    stories.sale(b, 100, wait=False)
    assert not b.powered
    with pytest.raises(Timeout, match="power_on"):
        b.wait_for("交易成功")
    b.power_on()
    b.sign_on()
    stories.sale(b, 200)
    assert b.host.ledger().balance("merchant") == 200


def test_a_cut_that_waits_is_forgotten_with_power_cut(b):
    b.power_cut(at_flash_op=3)
    b.power_cut()
    b.power_on()
    b.sign_on()
    stories.sale(b, 100)
    assert b.powered


# -- time -----------------------------------------------------------------------------------------


def test_time_passes_only_in_calls(b):
    began = b.clock.seconds
    b.screen()
    b.journal()
    assert b.clock.seconds == began
    b.clock.advance(30)
    assert b.clock.seconds == began + 30
    assert (b.clock.now - b.clock.now.replace(hour=9, minute=0, second=0)).seconds >= 30
    with pytest.raises(WrongUse, match="forwards"):
        b.clock.advance(-1)


def test_a_prompt_runs_out_in_virtual_time(b):
    b.press("1")
    b.swipe(CARD)
    b.clock.advance(70)
    assert b.shows("确认=菜单")


# -- a stranger's ways ----------------------------------------------------------------------------


def test_sign_on_does_only_what_is_missing(b):
    count = len(b.trace())
    b.sign_on()
    assert len(b.trace()) == count
    b.choose("签退")
    b.press("ENTER")
    b.wait_until(lambda: b.shows("操作员号"), what="log-in")
    b.sign_on()
    assert b.shows("请刷卡")


def test_sign_on_over_a_dead_line_says_what_it_waited_for(bench):
    bench.line.cut()
    bench.power_on()
    with pytest.raises(Timeout) as failure:
        bench.sign_on()
    text = str(failure.value)
    assert "idle screen" in text and "line.restore()" in text and "未签到" in text
    bench.line.restore()
    bench.sign_on()
    assert bench.shows("请刷卡")


def test_a_wrong_password_is_reported_with_the_screen(bench):
    bench.power_on()
    with pytest.raises(Timeout, match="密码错"):
        bench.sign_on(password="9999")


def test_a_failed_wait_tells_all_there_is_to_know(b):
    stories.sale(b, 100)
    with pytest.raises(Timeout) as failure:
        b.wait_for("没有这样的字", timeout=5)
    text = str(failure.value)
    for part in ("没有这样的字", "请刷卡", "seed=1", "last keys: ", "0210", "sale 000002"):
        assert part in text, part
    assert CARD not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_page_about_the_idle_screen_is_not_taken_for_it(make_bench, language):
    b = make_bench(language=language)
    b.power_on()
    b.sign_on()
    assert menu.is_idle(b)
    b.choose("帮助" if language == "zh" else "Help")
    pick(b, "按键说明" if language == "zh" else "Keys")
    assert b.shows("确认=菜单" if language == "zh" else "ENTER menu")
    assert not menu.is_idle(b)
    b.to_idle()
    assert menu.is_idle(b)
    b.choose("柜员管理" if language == "zh" else "Operators")
    b.type("123456")
    b.press("ENTER", "1")
    assert b.shows("操作员号" if language == "zh" else "Operator no.") and not menu.is_log_in(b)
    b.to_idle()
    assert menu.is_idle(b)


def test_a_story_ends_at_the_first_refusal_and_the_report_has_the_screen_that_told_why(b):
    b.host.rule("sale", code="51")
    began = b.clock.seconds
    with pytest.raises(Timeout, match="余额不足"):
        stories.sale(b, 100)
    assert b.clock.seconds - began < 20
    b.to_idle()
    # The message has passed when somebody looks: it stands among the screens before.
    with pytest.raises(Timeout) as failure:
        stories.void(b, 777)
    assert "and before that" in str(failure.value) and "原交易不存在" in str(failure.value)
    b.to_idle()
    b.choose("签退")
    b.press("ENTER")
    b.wait_until(lambda: menu.is_log_in(b))
    with pytest.raises(Timeout, match="卡号") as failure:
        stories.sale(b, 100)
    assert "签退成功" in str(failure.value)


def test_what_a_bench_leaves_behind_holds_no_secret(make_bench, tmp_path):
    b = make_bench(settings={"manual_pan": 1})
    b.power_on()
    b.sign_on()
    stories.sale(b, 4711)
    b.press("1")
    b.type(CARD)  # keyed, and still on the panel
    for number, keys in enumerate(([], ["ENTER"], ["ENTER"])):
        b.press(*keys)
        folder = tmp_path / str(number)
        b.save(folder)
        with pytest.raises(Timeout) as failure:
            b.wait_for("没有这样的字", 0)
        left = [path for path in folder.iterdir() if path.suffix in (".txt", ".log")]
        told = [path.read_text(encoding="utf-8", errors="replace") for path in left]
        for text in [str(failure.value), *told]:
            text = text.replace(" ", "")
            # (The merchant's number begins with the digits of the PIN.)
            assert CARD[:10] not in text.replace(CARD[:6] + "****", "")
            assert stories.PIN not in _keys(text) and "0000" not in _keys(text)
    told = (folder / "replay.txt").read_text(encoding="utf-8")
    assert "4 7 1 1 ENTER" in told and "0 1 ENTER # # # # ENTER" in told
    assert not (tmp_path / "0" / "screen.png").exists()


def _keys(text):
    return "".join(re.findall("keys:(.*)", text))


def test_a_text_broken_over_rows_is_found(b):
    b.press("1")
    rows = [row.strip() for row in b.screen()]
    joined = next(a[-1] + z[0] for a, z in pairwise(rows) if a and z)
    assert b.shows(joined)


def test_read_scrolls_to_the_end(b):
    b.line.cut()
    stories.sale(b, 100, wait=False)
    b.wait_for("线路不通")
    whole = "".join(b.read())
    assert "没有扣款" in whole


def test_two_benches_at_once(make_bench):
    one, two = make_bench(), make_bench(language="en")
    one.power_on()
    two.power_on()
    one.sign_on()
    two.sign_on()
    assert one.shows("请刷卡") and two.shows("Swipe")
    stories.sale(two, 100)
    stories.sale(one, 200)
    assert one.host.ledger().balance("merchant") == 200
    assert two.host.ledger().balance("merchant") == 100
    assert one.folder != two.folder


def test_benches_share_an_acquirer_with_terminal_numbers_of_their_own(make_bench):
    host = Acquirer(seed=5)
    first, second = make_bench(host=host), make_bench(host=host)
    assert (first.terminal, second.terminal) == ("00000001", "00000002")
    for b in (first, second):
        b.power_on()
        b.sign_on()
        stories.sale(b, 100)
    assert host.ledger().balance("merchant") == 200
    host.ledger().check()
    assert {e.terminal for e in second.trace()} == {"00000002"}
    assert "00000002" in second.paper()


def test_a_folder_to_keep_gives_the_terminal_its_memory_back(tmp_path):
    host = Acquirer(seed=1)
    with Bench(keep=tmp_path / "t", host=host) as b:
        b.power_on()
        b.sign_on()
        stories.sale(b, 100)
    with Bench(keep=tmp_path / "t", host=host, settings={"terminal": "00000001"}) as b:
        b.power_on()
        b.sign_on()
        stories.sale(b, 200)
        assert [t.amount for t in b.journal()] == [100, 200]
    with pytest.raises(WrongUse, match="journal_kib"):
        Bench(keep=tmp_path / "t", journal_kib=128)


def test_a_bench_that_never_had_power(make_bench):
    b = make_bench()
    assert b.screen() == ["", "", "", ""] and b.journal() == [] and b.paper() == ""
    with pytest.raises(NoPower):
        b.press("ENTER")
    b.clock.advance(5)
    b.line.cut()
    b.power_cut()
    b.close()
    b.close()


def test_power_on_twice_is_once(b):
    stories.sale(b, 100)
    b.power_on()
    assert b.shows("请刷卡")


def test_test_cards_by_their_names(b):
    b.swipe("low")
    assert b.shows(stories.POOR_CARD[-4:])


# -- errors ---------------------------------------------------------------------------------------


def test_errors_say_what_there_is(b, make_bench):
    for name, wanted in (("OK", "ENTER"), ("12", "type")):
        with pytest.raises(keypad.NoSuchKey, match=wanted):
            b.press(name)
    with pytest.raises(keypad.NoSuchKey):
        b.press("1", "NOPE")
    assert b.shows("确认=菜单"), "a call that is refused presses nothing"
    with pytest.raises(WrongUse, match="1234"):
        b.type("12.34")
    with pytest.raises(WrongUse, match="low"):
        b.swipe("gold")
    with pytest.raises(menu.NoSuchItem, match="重打最后一笔"):
        b.choose("重打最后")
    with pytest.raises(line_module.LineError, match="request and reply"):
        b.line.drop_next("answer")
    with pytest.raises(line_module.LineError, match="rate"):
        b.line.noise(ber=3)
    with pytest.raises(line_module.LineError):
        b.line.cut(after_bytes=-1)
    with pytest.raises(WrongUse, match="next operation"):
        b.power_cut(at_flash_op=-1)
    with pytest.raises(WrongUse, match="pty"):
        _ = b.line_port
    with pytest.raises(boards.NoSuchBoard, match="unix"):
        make_bench(board="arduino")
    with pytest.raises(WrongUse, match="zh and en"):
        make_bench(language="fr")
    with pytest.raises(WrongUse, match="256"):
        make_bench(unit=7)
    with pytest.raises(WrongUse, match="multiple of 4"):
        make_bench(journal_kib=63)
    with pytest.raises(provisioning.ProvisioningFailed, match="no parameter 'colour'"):
        make_bench(settings={"colour": 1})
    with pytest.raises(provisioning.ProvisioningFailed, match="copies"):
        make_bench(settings={"copies": 9})


# -- a firmware that dies -------------------------------------------------------------------------


@pytest.mark.unix_only("kills the process")
def test_a_dead_processor_is_restarted_by_the_watchdog(b):
    stories.sale(b, 100)
    b.board._process.kill()
    b.clock.advance(1)
    assert b.crashes and "exit code -9" in b.crashes[0]
    shown = b.screen()
    b.clock.advance(5)
    assert b.screen() == shown, "the panel has its own memory"
    b.clock.advance(5)
    assert b.shows("操作员号"), "the watchdog has restarted it"
    b.sign_on()
    assert b.journal()[-1].amount == 100
    b.expect_crashes()


@pytest.mark.unix_only("stops the process; tests/pico hangs a chip")
def test_a_processor_that_hangs_is_restarted_too(make_bench):
    b = make_bench()
    b.power_on()
    b.board._socket.settimeout(1.0)  # instead of a minute, and only until the restart
    stop_signal = 19
    b.board._process.send_signal(stop_signal)
    b.clock.advance(3)
    assert "hangs" in b.crashes[0]
    b.clock.advance(10)
    assert b.shows("操作员号")
    b.expect_crashes()


@pytest.mark.unix_only("brings firmware of its own")
def test_a_terminal_that_does_not_boot_shows_its_log(make_bench, monkeypatch, tmp_path):
    broken = tmp_path / "firmware"
    broken.mkdir()
    (broken / "main.py").write_text("raise RuntimeError('no such luck')\n")
    (tmp_path / "boards").symlink_to(byte_code.ROOT / "boards")
    b = make_bench()
    monkeypatch.setattr(byte_code, "ROOT", tmp_path)
    with pytest.raises(Timeout, match="no such luck"):
        b.power_on()
    b.expect_crashes()
