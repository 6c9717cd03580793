"""Flash that is empty, torn, foreign or worn, and parts of the firmware that die: nothing is lost.

Whatever lies in the chips, the terminal says what it found, changes nothing by itself, and shows
the way on that is left.
"""

import random
import textwrap

import pytest

from host_tools.bench import stories, wiring
from tests.e2e import desk
from tests.e2e.desk import administrator, key_in, log_in
from tests.e2e.kit import press_until

JOURNAL, VAULT = wiring.JOURNAL, wiring.VAULT


@pytest.fixture
def b(bench):
    """A terminal that has sold, and has no power now."""
    bench.power_on()
    bench.sign_on()
    stories.sale(bench, 1000)
    stories.sale(bench, 2000)
    bench.power_cut()
    return bench


def blank(nor):
    nor.load(b"\xff" * nor.size)


def rubbish(nor, seed=7):
    nor.load(random.Random(seed).randbytes(nor.size))


def to_service_menu(b, text):
    """The screen that insists, and the menu behind it."""
    b.power_on()
    assert b.shows(text), b.screen()
    before = [bytes(nor.mem) for nor in b.rig.flash]
    b.wait_for("维护")
    for _ in range(4):  # it does not go away by itself, and no card or other key gets past it
        b.press("ENTER")
        b.press("CANCEL")
    b.swipe(stories.CARD)
    assert not b.shows("请刷卡") and not b.shows("操作员号")
    assert [bytes(nor.mem) for nor in b.rig.flash] == before, "something was written"
    for _ in range(4):
        if b.shows("诊断信息"):
            return
        b.press("ENTER")
    raise AssertionError(b.screen())


# -- the journal -----------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil, text", [
    (blank, "流水存储器是空的"), (rubbish, "存储器内不是流水数据"),
], ids=["blank", "random"])
def test_a_journal_that_is_none_is_never_made_anew_silently(b, spoil, text):
    flash = b.rig.flash[JOURNAL]
    spoil(flash)
    spoiled = bytes(flash.mem)
    to_service_menu(b, text)
    assert bytes(flash.mem) == spoiled, "made anew silently"
    b.press("1")
    rows = desk.everything(b)
    assert "95516" in rows
    b.press("ENTER")
    # A wrong password leads nowhere.
    press_until(b, "ENTER", "清空并新建")
    b.press("2")
    key_in(b, "12345678")
    desk.after(b, "密码错")
    b.press("CANCEL")
    press_until(b, "ENTER", "清空并新建")
    b.press("2")
    key_in(b, "00000000")
    assert b.shows("清空并新建流水?")
    b.press("ENTER")
    if b.shows("可能是其他软件的数据"):
        b.press("ENTER")
    b.wait_for("操作员号")
    log_in(b)
    b.to_idle()
    # The numbers go on behind everything that was used; the host's batch is still open.
    sale = stories.sale(b, 3000)
    assert sale.trace > 2000 and sale.batch == 1
    assert any("journal made anew" in note for note in desk.notes(b, "B"))
    # The host knows more than the terminal does: the settlement shows it.
    stories.settle(b)
    ledger = b.host.ledger()
    ledger.check()
    assert sorted(d.booked for d in ledger.discrepancies) == [1000, 2000]


def test_a_journal_of_another_version_is_left_alone(b):
    nor = b.rig.flash[JOURNAL]
    image = bytearray(nor.mem)
    for at in range(0, len(image), 4096):
        if image[at : at + 3] == b"MoJ" or image[at : at + 1] == b"M":
            image[at + 3] += 1
    nor.load(bytes(image))
    to_service_menu(b, "流水格式版本不符")


def test_a_hole_in_the_journal_is_told_and_trading_goes_on(b):
    nor = b.rig.flash[JOURNAL]
    before = b.journal()
    image = bytearray(nor.mem)
    written = len(image.rstrip(b"\xff"))
    begin = written * 3 // 4
    image[begin : begin + 64] = bytes(64)  # through the newest sale
    nor.load(bytes(image))
    b.power_on()
    log_in(b)
    b.wait_for("流水有1处损坏")
    b.to_idle()
    desk.restart(b)
    log_in(b)
    b.clock.advance(0.2)
    assert not b.shows("损坏")  # it was told
    b.to_idle()
    sale = stories.sale(b, 500)
    assert sale.trace > max(t.trace for t in before), "a number was used twice"
    assert [t.trace for t in b.journal()] == [before[0].trace, sale.trace]
    b.host.ledger().check()


def test_a_torn_record_is_mentioned_once(b):
    b.power_on()
    b.sign_on()
    for at in range(2, 12):
        b.power_cut(at_flash_op=at, torn=True)
        stories.sale(b, 100, wait=False)
        b.wait_until(lambda: not b.powered or b.shows("请撕纸"), timeout=20)
        if b.powered:
            b.power_cut()
        b.power_on()
        log_in(b)
        b.wait_until(lambda: b.shows("整理") or b.shows("请刷卡") or b.shows("未印完"), timeout=30)
        told = b.shows("整理")
        b.to_idle()
        if told:
            desk.restart(b)
            log_in(b)
            b.clock.advance(0.2)
            assert not b.shows("整理")
            b.to_idle()
            b.host.ledger().check()
            return
    raise AssertionError("no cut left a torn record")


def test_flash_that_cannot_be_written_stops_sales_and_says_so(b):
    nor = b.rig.flash[JOURNAL]
    b.power_on()
    b.sign_on()
    for sector in range(nor.sectors):
        nor.faults[sector] = "program error"
    asked = len(b.trace())
    b.swipe(stories.CARD)
    b.press("ENTER")
    key_in(b, "500")
    key_in(b, stories.PIN)
    assert b.shows("流水存储器失效") and b.shows("不能交易")
    b.to_idle()
    b.swipe(stories.CARD)  # from now on before anything is asked
    assert b.shows("流水存储器失效")
    b.to_idle()
    assert len(b.trace()) == asked
    # What is there can still be looked at.
    b.choose("按凭证号查询")
    key_in(b, "2")
    assert b.shows("000002")


# -- the vault -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", [blank, rubbish], ids=["blank", "random"])
def test_a_lost_vault_is_made_anew_only_by_hand_and_the_journal_stays(b, spoil):
    spoil(b.rig.flash[VAULT])
    to_service_menu(b, "参数和密钥丢失")
    b.press("2")
    assert b.shows("新建参数存储区?")
    b.press("CANCEL")
    press_until(b, "ENTER", "清空并新建", most=3)
    b.press("2")
    b.press("ENTER")
    assert b.shows("有2笔未结算")
    b.press("ENTER")
    desk.after(b, "初始密码")
    # Who may set it up again does: numbers, then the key.
    administrator(b)
    assert [t.amount for t in b.journal()] == [1000, 2000]
    assert any("vault made anew" in note for note in desk.notes(b, "B"))
    desk.log_out(b)
    log_in(b)
    b.wait_for("未装主密钥")


@pytest.mark.unix_only("brings a main.py of its own")
def test_a_vault_without_its_administrator_offers_new_operators(b):
    # An image in which the accounts are gone and everything else is there.
    image = without_operators(b)
    b.rig.flash[VAULT].load(image)
    to_service_menu(b, "管理员账号丢失")
    b.press("2")
    desk.after(b, "初始密码")
    log_in(b)
    b.to_idle()
    stories.sale(b, 300)  # keys and numbers were not lost


def test_a_hole_in_the_vault_is_told_and_what_is_left_is_used(b):
    nor = b.rig.flash[VAULT]
    image = bytearray(nor.mem)
    at = image.index(b"pmerchant_name")
    image[at : at + 8] = bytes(8)
    nor.load(bytes(image))
    b.power_on()
    log_in(b)
    b.wait_for("部分参数或密钥丢失")
    assert "请管理员核对参数" in "".join(b.read())
    b.to_idle()
    stories.sale(b, 400)  # the numbers and the keys are there
    assert "末笔便利店" not in b.receipts()[-1]
    b.host.ledger().check()


def without_operators(b):
    """The vault's image after the firmware's own code has deleted all operators."""
    script = b.folder / "delete.py"
    script.write_text(textwrap.dedent("""
        import board
        from mobi.journal.vault import Vault
        board = board.open()
        vault = Vault(board.vault_flash, board.flash_unit)
        vault.mount()
        for key in vault.keys(b"o"):
            vault.delete(key)
        vault.shred()
    """))
    b.board.power_on(str(script))
    b.board.run(b.kernel.now_us + 5_000_000, stop=lambda: b.board.halted)
    b.board.power_off()
    b.expect_crashes()
    return bytes(b.rig.flash[VAULT].mem)


def test_a_blank_terminal_begins_with_the_service_screen(make_bench):
    b = make_bench(provision=False)
    to_service_menu(b, "参数和密钥丢失")
    b.press("2", "ENTER")
    desk.after(b, "初始密码")
    b.wait_for("流水存储器是空的")
    b.press("ENTER", "2")
    key_in(b, "00000000")
    b.press("ENTER")
    b.wait_for("操作员号")
    administrator(b)


# -- a part of the firmware dies -------------------------------------------------------------------


def dying(b, name, after_s):
    """A main program whose terminal loses a task after some seconds of its life."""
    script = b.folder / "dying.py"
    script.write_text(textwrap.dedent(f"""
        import board
        from mobi.loop import sleep_ms
        from mobi.terminal import Terminal

        async def dies():
            await sleep_ms({after_s * 1000})
            raise ValueError("broken")

        terminal = Terminal(board.open())
        terminal.loop.spawn("{name}", dies(), vital=True)
        terminal.run()
    """))
    return str(script)


@pytest.mark.unix_only("brings a main.py of its own")
def test_a_dead_task_stops_visibly_is_noted_and_the_watchdog_restarts(bench):
    b = bench
    b.board.power_on(dying(b, "victim", 40))
    b._settle()
    b.sign_on()
    sale = stories.sale(b, 1000)
    b.wait_for("故障,正在重启", timeout=60)
    assert b.shows("victim: ValueErr") and b.shows("交易记录已保存") and b.shows("95516")
    # The watchdog brings it back; it says what happened, once, and nothing is lost.
    b.wait_for("操作员号", timeout=20)
    assert any("watchdog" in event for event in b.rig.events)
    b.expect_crashes()
    log_in(b)
    b.wait_for("程序故障后已自动重启")
    rows = desk.everything(b)
    assert "victim" in rows
    b.to_idle()
    assert "-- -- victim: ValueError('broken',)" in desk.notes(b, "D") or any(
        "victim" in note for note in desk.notes(b, "D"))
    assert [t.trace for t in b.journal()] == [sale.trace]
    b.clock.advance(1)
    assert "restarted: victim: ValueError" in str(b.trace()[-2])  # the acquirer knows, too
    stories.sale(b, 2000)
    desk.restart(b)
    log_in(b)
    b.clock.advance(0.2)
    assert not b.shows("重启")
    b.to_idle()
    b.host.ledger().check()


@pytest.mark.unix_only("brings a main.py of its own")
def test_dying_between_request_and_reply_loses_nothing(bench):
    b = bench
    b.board.power_on(dying(b, "victim", 30))
    b._settle()
    b.sign_on()
    b.line.delay_next("reply", 40)
    stories.sale(b, 1000, wait=False)
    b.wait_for("故障,正在重启", timeout=60)
    b.expect_crashes()
    b.wait_for("操作员号", timeout=20)
    log_in(b)
    b.to_idle()
    assert b.shows("未完成交易: 1")
    stories.sale(b, 2000)
    assert [t.state for t in b.journal()] == ["reversed", "approved"]
    assert b.host.ledger().balance("merchant") == 2000


def test_an_unplugged_display_and_noise_on_every_wire_kill_nothing(b):
    b.power_on()
    b.sign_on()
    b.rig.panel.unplug()
    b.press("ENTER", "CANCEL")
    b.rig.panel.plug()
    b.clock.advance(3)
    for data in (b"\x00\xff" * 40, b";", b"%B1234?", b";6222=?" * 9, bytes(range(256))):
        b.rig.aux(data)
        b.line.from_far(data)
        b.clock.advance(2)
    b.to_idle()
    b.line.noise(1e-3)
    b.press("5")
    b.to_idle()
    b.line.noise(0)
    stories.sale(b, 700)
    assert not any("ended" in event for event in b.rig.events)
