"""Management through keys and pixels: operators, parameters, master key, clearing, audit trail."""


from host_tools.acquirer.security import kcv
from host_tools.bench import stories, wiring
from tests.e2e import desk
from tests.e2e.desk import ADMINISTRATOR, administrator, key_in, log_in


def at_99(b):
    """Let the administrator take over from an idle terminal."""
    b.choose("换操作员")
    administrator(b)


# -- operators -------------------------------------------------------------------------------------


def manage(b, step, number):
    """Choose 1 add, 2 delete, 3 list, 4 reset on the operators' screen."""
    b.press(step)
    key_in(b, number)


def test_the_supervisor_adds_lists_resets_and_deletes_operators(b):
    b.choose("柜员管理")
    key_in(b, "123456")
    manage(b, "1", "07")
    key_in(b, "2468")
    key_in(b, "2468")
    assert b.shows("密码已修改")
    b.wait_for("操作员列表")
    manage(b, "1", "07")
    desk.after(b, "操作员已存在")
    manage(b, "1", "99")
    desk.after(b, "保留号")
    b.press("3")
    rows = desk.everything(b)
    assert "07" in rows and "99" in rows and "01      初始密码" in rows
    assert "07      初始密码" not in rows
    b.press("ENTER")
    manage(b, "4", "07")
    key_in(b, "1357")
    key_in(b, "1357")
    b.wait_for("操作员列表")
    manage(b, "2", "01")
    desk.after(b, "操作员已登录")
    manage(b, "2", "42")
    desk.after(b, "操作员不存在")
    manage(b, "2", "05")
    assert b.shows("删除操作员05?")
    b.press("ENTER")
    desk.after(b, "已完成")
    b.to_idle()
    b.choose("换操作员")
    key_in(b, "05")
    desk.after(b, "操作员不存在")
    log_in(b, "07", "1357")
    b.to_idle()
    assert stories.sale(b, 100).operator == 7
    assert desk.notes(b, "O") == [
        "01 00 added 07", "01 00 new password for 07", "01 00 deleted 05"]


def test_two_different_new_passwords_change_nothing(b):
    b.choose("柜员管理")
    key_in(b, "123456")
    manage(b, "1", "07")
    key_in(b, "2468")
    key_in(b, "2469")
    assert b.shows("两次输入不同")
    b.to_idle()
    b.choose("换操作员")
    key_in(b, "07")
    assert b.shows("操作员不存在")


def test_the_administrator_gives_the_supervisor_a_new_password(b):
    at_99(b)
    b.press("5")
    manage(b, "4", "00")
    key_in(b, "654321")
    key_in(b, "654321")
    b.wait_for("操作员列表")
    manage(b, "4", "99")
    desk.after(b, "保留号")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    b.press("VOID")
    key_in(b, "123456")
    desk.after(b, "密码错")
    key_in(b, "654321")
    assert b.shows("原凭证号")


# -- parameters ------------------------------------------------------------------------------------


def to_parameter(b, label):
    """From the list of parameters into one."""
    for _ in range(60):
        if any(label in row for row in b.screen()[1:]):
            break
        b.press("DOWN")
    for _ in range(4):
        if any(label in b.rig.panel.inverted_text(row) for row in range(1, 4)):
            b.press("ENTER")
            return
        b.press("DOWN")
    raise AssertionError(f"{label}: {b.screen()}")


def test_a_number_keeps_to_its_range(b):
    at_99(b)
    b.press("1")
    to_parameter(b, "打印联数")
    assert b.shows("范围 1-3") and b.screen()[3].strip() == "2"
    b.press("CLEAR")
    key_in(b, "4")
    desk.after(b, "范围 1-3") if not b.shows("打印联数") else b.clock.advance(4)
    b.press("CLEAR")
    key_in(b, "1")
    desk.after(b, "已完成")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    before = len(b.rig.paper.receipts)
    stories.sale(b, 100)
    assert len(b.rig.paper.receipts) == before + 1
    assert desk.notes(b, "P") == ["99 -- copies 2 > 1"]


def test_a_flag(b):
    at_99(b)
    b.press("1")
    to_parameter(b, "允许手输卡号")
    b.press("1")  # 否
    desk.after(b, "已完成")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    b.choose("消费")
    assert not b.shows("或手输卡号")
    b.press("6")
    assert not b.shows("卡号")


def test_digits_an_amount_and_an_empty_number(b):
    at_99(b)
    b.press("1")
    to_parameter(b, "客服电话")
    b.press("CLEAR")
    key_in(b, "4008200000")
    desk.after(b, "已完成")
    to_parameter(b, "最高退货额")
    assert b.shows("最高9,999,999.99") or b.shows("100,000.00")
    b.press("CLEAR")
    b.press("ENTER")  # nothing is below the range
    assert b.shows("最高退货额")
    key_in(b, "5000")
    desk.after(b, "已完成")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    sale = stories.sale(b, 9000)
    assert "客服电话 4008200000" in b.rig.paper.receipts[-1]
    b.press("REFUND")
    key_in(b, "123456")
    b.swipe(stories.CARD)
    b.press("ENTER")
    key_in(b, sale.rrn)
    key_in(b, f"{b.clock.now:%m%d}")
    key_in(b, "5001")
    assert b.shows("超退货额度") and b.shows("50.00")


def test_numbers_of_the_terminal_change_only_without_transactions(b):
    stories.sale(b, 100)
    at_99(b)
    b.press("1")
    to_parameter(b, "终端号")
    assert b.shows("请先结算")
    desk.after(b, "请先结算")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    stories.settle(b)
    b.host.add_terminal("00000042")
    at_99(b)
    b.press("1")
    to_parameter(b, "终端号")
    b.press("BACK", "BACK")
    key_in(b, "4")
    assert b.shows("终端号")  # seven digits are not eight
    key_in(b, "2")
    desk.after(b, "已完成")
    b.press("CANCEL")
    desk.log_out(b)
    log_in(b)  # another terminal has other keys: it signs on by itself
    b.to_idle()
    stories.sale(b, 700)
    assert b.host.ledger().transactions[-1].terminal == "00000042"


def test_text_is_left_to_the_host_and_the_computer(b):
    at_99(b)
    b.press("1")
    to_parameter(b, "商户名称")
    assert b.shows("由主机或电脑设置")


def test_parameters_on_paper_hold_no_key(b):
    at_99(b)
    b.press("2")
    b.wait_for("终端参数")
    b.clock.advance(5)
    slip = b.rig.paper.receipts[-1]
    assert "终端号                  00000001" in slip and "末笔便利店" in slip
    assert "08D7B4FB" in slip  # the check value of the test key
    assert "0123456789ABCDEF" not in slip


def test_nobody_at_the_terminal_logs_the_administrator_out(b):
    at_99(b)
    b.press("1")
    b.clock.advance(61)
    b.wait_for("终端参数")
    b.clock.advance(61)
    assert b.shows("操作员登录")


def test_the_administrator_does_not_sell(b):
    at_99(b)
    b.swipe(stories.CARD)
    assert not b.shows("622202")
    b.press("VOID", "LAST", "REFUND")
    assert b.shows("终端参数")


# -- master key ------------------------------------------------------------------------------------


def key_in_hex(b, text):
    """A key component of hexadecimal digits, FN and 1 to 6 for the letters."""
    for letter in text:
        if letter.isdigit():
            b.press(letter)
        else:
            b.press("FN", str("ABCDEF".index(letter) + 1))


def test_the_master_key_is_made_of_two_components(b):
    first = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
    second = "00112233445566778899AABBCCDDEEFF"
    whole = bytes(x ^ y for x, y in zip(bytes.fromhex(first), bytes.fromhex(second), strict=True))
    at_99(b)
    b.press("4")
    assert b.shows("08D7B4FB")  # there is one already
    b.press("ENTER")
    for part in (first, second):
        for at in (0, 16):
            key_in_hex(b, part[at : at + 16])
            assert part[at : at + 4] not in "".join(b.screen())
            b.press("ENTER")
        assert b.shows(kcv(bytes.fromhex(part)).hex().upper())
        b.press("ENTER")
    assert b.shows(kcv(whole).hex().upper())
    b.press("ENTER")
    assert b.shows("密钥已装入")
    b.press("CANCEL")
    assert desk.notes(b, "K") == [
        f"99 -- master key, KCV 08D7B4FB > {kcv(whole).hex().upper()}"]
    desk.log_out(b)
    # The host does not have it yet: what it sends does not open.
    log_in(b)
    b.wait_for("工作密钥有误")
    b.press("CANCEL")
    b.wait_for("按任意键签到")
    b.host.add_terminal("00000001", tmk=whole)
    b.press("ENTER")
    b.wait_for("签到成功")
    b.to_idle()
    stories.sale(b, 100)


def test_a_component_with_the_wrong_check_value_is_not_installed(b):
    at_99(b)
    b.press("4", "ENTER")
    for _ in range(2):
        b.type("1" * 16)
        b.press("ENTER")
    b.press("CANCEL")  # not the value on the letter
    b.wait_for("终端参数")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    stories.sale(b, 100)


def test_keying_a_component_can_be_corrected(b):
    at_99(b)
    b.press("4", "ENTER")
    b.type("12345")
    b.press("BACK", "BACK")
    assert b.screen()[3].count("*") == 3
    b.press("FN")
    assert b.shows("A-F")
    b.press("9")  # no letter
    assert b.screen()[3].count("*") == 3
    b.press("FN", "6")
    assert b.screen()[3].count("*") == 4
    b.press("ENTER")  # not all sixteen
    assert b.screen()[3].count("*") == 4
    b.press("CLEAR")
    assert b.screen()[3].count("*") == 0


# -- clearing --------------------------------------------------------------------------------------


def clear(b):
    b.press("7")


def test_clearing_is_refused_while_anything_is_open(b):
    stories.sale(b, 100)
    at_99(b)
    clear(b)
    assert b.shows("请先结算")
    desk.after(b, "请先结算")
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    b.line.drop_next("reply")
    sale = b.journal()[-1]
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 50, wait=False)
    b.clock.advance(70)
    b.to_idle()
    stories.settle(b)
    b.clock.advance(1)
    if b.shows("未完成交易"):
        at_99(b)
        clear(b)
        assert b.shows("请先处理未完成交易")


def test_clearing_keeps_numbers_and_totals_and_is_audited(b):
    stories.sale(b, 1234)
    stories.settle(b)
    last = b.journal()[-1]
    at_99(b)
    clear(b)
    key_in(b, "11111111")
    desk.after(b, "密码错")
    key_in(b, ADMINISTRATOR[1])
    assert b.shows("清除全部流水?")
    b.press("ENTER")
    desk.after(b, "已完成")
    assert b.journal() == []
    desk.log_out(b)
    log_in(b)
    b.to_idle()
    b.choose("重打结算单")
    b.to_idle()
    assert "12.34" in b.rig.paper.receipts[-1] and "DUPLICATED" in b.rig.paper.receipts[-1]
    after = stories.sale(b, 100)
    assert after.batch == 2 and after.trace > last.trace
    assert "journal cleared" in desk.notes(b, "Z")[0]
    told = [e.verdict for e in b.trace() if e.operation == "status" and e.direction == ">"]
    assert any("journal cleared" in text for text in told)


def test_cancelling_the_clear_changes_nothing(b):
    stories.sale(b, 1234)
    stories.settle(b)
    before = bytes(b.rig.flash[wiring.JOURNAL].mem)
    at_99(b)
    between = bytes(b.rig.flash[wiring.JOURNAL].mem)
    clear(b)
    key_in(b, ADMINISTRATOR[1])
    b.press("CANCEL")
    assert bytes(b.rig.flash[wiring.JOURNAL].mem) == between != before  # the log-in was noted


# -- audit trail and version -----------------------------------------------------------------------


def test_the_audit_trail_can_be_read_and_printed_but_not_changed(b):
    b.choose("审计记录")
    key_in(b, "123456")
    assert b.shows("session") or b.shows("access")
    total = int(b.screen()[0].rpartition("/")[2])
    assert total == len(desk.notes(b))
    b.press("DOWN")
    assert f"2/{total}" in b.screen()[0]
    image = bytes(b.rig.flash[wiring.JOURNAL].mem)
    b.press("ENTER")
    assert b.shows(f"打印最近{total}条?")
    b.press("ENTER")
    b.clock.advance(8)
    slip = b.rig.paper.receipts[-1]
    assert "审计记录" in slip and "log-in" in slip and "sign-on, batch 000001" in slip
    b.to_idle()
    assert bytes(b.rig.flash[wiring.JOURNAL].mem) == image


def test_version_shows_numbers_and_the_service_phone(b):
    b.choose("版本")
    rows = desk.everything(b)
    assert "Mobi" in rows and "00000001" in rows and "95516" in rows
