"""Log-in, sign-on, sign-off, echo, lock: who is at the terminal and whether the host trusts it."""

import contextlib
from datetime import timedelta

import pytest

from host_tools.acquirer import Acquirer
from host_tools.acquirer.case import Policy
from host_tools.bench import stories
from tests.e2e import desk
from tests.e2e.desk import key_in, log_in
from tests.e2e.kit import back_on, ended_well, signed_on, states


def nothing_happened(b):
    """Neither end has booked anything."""
    assert b.journal() == []
    assert b.host.ledger().transactions == []


# -- log-in ----------------------------------------------------------------------------------------


def test_only_known_operators_with_their_password_come_in(bench):
    b = bench
    b.power_on()
    key_in(b, "42")
    desk.after(b, "操作员不存在")
    key_in(b, "01")
    key_in(b, "1111")
    desk.after(b, "密码错")
    key_in(b, "0000")
    b.to_idle()
    assert b.shows("请刷卡")
    assert [n for n in desk.notes(b, "A")] == ["01 -- log-in"]


@pytest.mark.pico
def test_passwords_are_stars_on_the_screen(bench):
    bench.power_on()
    key_in(bench, "01")
    bench.type("000")
    assert bench.shows("***") and not bench.shows("000")


def test_three_wrong_passwords_lock_the_operator_for_a_growing_time(bench):
    b = bench
    b.power_on()
    key_in(b, "01")
    for _ in range(2):
        key_in(b, "9999")
        desk.after(b, "密码错")
    key_in(b, "9999")
    assert b.shows("请1分钟后再试")
    # Cutting the power gains nothing.
    desk.restart(b)
    log_in(b)
    assert b.shows("请1分钟后再试")
    b.clock.advance(50)
    log_in(b)
    assert b.shows("分钟后再试")
    # Another operator is not concerned.
    b.clock.advance(4)
    log_in(b, "02")
    b.to_idle()
    # The second lock is longer.
    b.clock.advance(65)
    desk.restart(b)
    log_in(b, "01", "9999")
    assert b.shows("请2分钟后再试")
    b.clock.advance(125)
    log_in(b)
    b.to_idle()
    assert b.shows("请刷卡")
    assert desk.notes(b, "A").count("-- -- locked out 01") >= 2


def test_a_locked_supervisor_is_told_to_the_host(b):
    b.press("VOID")
    for _ in range(2):
        key_in(b, "999999")
        desk.after(b, "密码错")
    key_in(b, "999999")
    assert b.shows("密码错误过多")
    b.to_idle()
    b.clock.advance(2)
    told = [e for e in b.trace() if e.operation == "status" and e.direction == ">"]
    assert [e.verdict for e in told] == ["taken: access: wrong passwords for 00, locked"]
    nothing_happened(b)


def test_preset_passwords_are_flagged_until_they_are_changed(b):
    desk.restart(b)
    log_in(b)
    assert b.shows("初始密码")
    b.to_idle()
    b.choose("修改密码")
    key_in(b, "0000")
    assert b.shows("新密码,4位数字")
    key_in(b, "0000")
    assert b.shows("与原密码相同")
    b.to_idle()
    b.choose("修改密码")
    key_in(b, "0000")
    key_in(b, "4711")
    key_in(b, "4712")
    assert b.shows("两次输入不同")
    b.to_idle()
    b.choose("修改密码")
    key_in(b, "0000")
    key_in(b, "4711")
    key_in(b, "4711")
    assert b.shows("密码已修改")
    desk.restart(b)
    log_in(b, "01", "0000")
    desk.after(b, "密码错")
    key_in(b, "4711")
    assert not b.shows("初始密码")
    b.to_idle()
    assert desk.notes(b, "W") == ["01 -- changed 01"]


def test_an_old_password_is_pointed_out(make_bench):
    b = make_bench(settings={"password_days": 2})
    b.power_on()
    b.sign_on()
    b.choose("修改密码")
    for digits in ("0000", "4711", "4711"):
        key_in(b, digits)
    b.power_cut()
    b.clock.advance(2 * 86400)
    b.power_on()
    log_in(b, "01", "4711")
    assert not b.shows("密码已用")  # the clock of a board without power knows an older day
    b.to_idle()
    b.choose("签到")  # brings the host's date
    b.to_idle()
    b.choose("换操作员")
    log_in(b, "01", "4711")
    assert b.shows("密码已用2天")


# -- sign-on ---------------------------------------------------------------------------------------


def test_sign_on_brings_keys_batch_and_clock(make_bench):
    b = make_bench(settings={"batch": 7})
    b.clock.advance(86400 * 3 + 7 * 3600)
    b.power_on()
    log_in(b)
    b.wait_for("签到成功")
    assert b.shows("批次号 000007")  # the host adopts it: its own batch is empty
    b.to_idle()
    assert b.shows("16:00")
    sale = stories.sale(b, 1000)
    assert sale.batch == 7
    assert abs(sale.time - b.clock.now) < timedelta(minutes=1)


def test_the_hosts_batch_number_counts(make_bench):
    b = make_bench()
    b.host.add_terminal("00000009", batch=1)
    b.power_on()
    b.sign_on()
    stories.sale(b, 1000)
    stories.settle(b)
    stories.sale(b, 1000)  # batch 2
    # The terminal loses its journal; the host's open batch goes on.
    again = make_bench(host=b.host, settings={"trace": 500})
    again.power_on()
    log_in(again)
    again.wait_for("批次号 000002")
    again.to_idle()
    assert stories.sale(again, 2000).batch == 2


def test_a_wrong_check_value_deletes_the_working_keys(b):
    b.host.rule("sign-on", wrong_field=(62, "00" * 40))
    b.choose("签到")
    assert b.shows("L7") and b.shows("工作密钥有误")
    b.press("CANCEL")
    b.wait_for("未签到")
    b.press("DOWN")
    b.press("1")
    assert b.shows("请先签到")
    nothing_happened(b)
    assert b.board.powered
    b.wait_for("按任意键签到")
    b.press("ENTER")
    b.wait_for("签到成功")
    b.to_idle()
    stories.sale(b, 100)


@pytest.mark.parametrize("rule", [
    {"demand": 3}, {"code": "99", "demand": 3, "times": 2}, {"code": "A0", "times": 2},
    {"code": "77"},
], ids=["demand-3", "99", "A0", "77"])
def test_what_forces_a_new_sign_on(b, rule):
    b.host.rule("sale", **rule)
    stories.sale(b, 1000, wait=False)
    if "times" in rule:  # the terminal has signed on and tried again by itself
        b.wait_for("请顾客再输密码")
        b.clock.advance(4)
        key_in(b, stories.PIN)
    for _ in range(8):
        if b.shows("未签到"):
            break
        b.press("CANCEL")
        b.clock.advance(9)
    b.wait_for("未签到")
    b.swipe(stories.CARD)
    assert not b.shows("622202")  # a card does not start a sale now
    b.press("ENTER")
    b.wait_for("签到成功")
    b.to_idle()
    stories.sale(b, 2000)
    b.host.ledger().check()


def test_a_lost_sign_on_reply_does_not_leave_old_keys_in_use(b):
    b.line.drop_next("reply")
    b.choose("签到")
    b.clock.advance(65)
    b.wait_for("未签到")  # the host has new keys, the terminal the old ones
    b.press("ENTER")
    b.wait_for("签到成功")
    b.to_idle()
    stories.sale(b, 1000)
    assert not [e for e in b.trace() if e.fields.get("39") == "A0"]


def test_power_cut_at_every_flash_operation_of_a_sign_on(make_bench):
    b = make_bench()
    b.power_on()
    b.sign_on()
    for at in range(60):
        b.power_cut(at_flash_op=at, torn=bool(at % 2))
        b.choose("签到")
        b.wait_until(lambda: not b.powered or b.shows("签到成功"))
        if b.powered:
            break  # it ran through
        b.power_on()
        log_in(b)
        b.to_idle()
        assert b.shows("请刷卡"), (at, b.screen())
        stories.sale(b, 100 + at)
    assert at > 5
    # Whatever was cut, the terminal never sent a message under keys the host had replaced.
    assert not [e for e in b.trace() if e.fields.get("39") in ("A0", "99")]
    b.host.ledger().check()


def test_sign_on_refused_by_the_host_says_why(bench):
    b = bench
    b.host.rule("sign-on", code="97")
    b.power_on()
    log_in(b)
    b.wait_for("终端未登记")
    b.press("CANCEL")
    b.wait_for("未签到")


def test_without_a_line_nothing_is_sent_and_the_terminal_says_so(bench):
    b = bench
    b.line.cut()
    b.power_on()
    log_in(b)
    b.wait_for("线路不通")
    b.wait_for("未签到")
    b.line.restore()
    b.press("ENTER")
    b.wait_for("签到成功")


def test_not_signed_on_only_looking_and_managing_is_possible(b):
    sale = stories.sale(b, 1000)
    b.host.rule("sign-on", code="91")
    b.choose("签到")
    b.press("CANCEL")
    b.choose("签退")  # still signed on: the refusal changed nothing
    b.press("ENTER")
    b.wait_for("签退成功")
    b.host.rule("sign-on", code="91", times=None)
    b.wait_for("操作员号")
    log_in(b)
    b.wait_for("发卡行异常")
    b.press("CANCEL")
    b.wait_for("未签到")
    for keys in (("DOWN", "1"), ("DOWN", "2"), ("DOWN", "3"), ("DOWN", "4"), ("FN", "6")):
        b.press(*keys)
        assert b.shows("请先签到"), keys
        b.wait_for("按任意键签到")
    b.press("FN", "3", "3")
    key_in(b, str(sale.trace))
    assert b.shows(f"{sale.trace:06d}")
    b.press("CANCEL")
    b.wait_for("按任意键签到")
    before = len(b.rig.paper.receipts)
    b.press("DOWN", "6", "4")
    b.wait_for("按任意键签到")
    assert len(b.rig.paper.receipts) == before + 1
    assert len(b.journal()) == 1


def test_a_clock_that_stood_still_is_set_before_anybody_sells(b):
    stories.sale(b, 100)
    b.power_cut()
    b.clock.advance(5 * 3600)
    b.power_on()
    b.sign_on()
    assert b.shows(f"{b.clock.now:%H:%M}")
    asked = [str(entry) for entry in b.trace()][-2:]
    assert "0820 echo" in asked[0] and "0830 echo" in asked[1]
    sale = stories.sale(b, 200)
    assert abs((sale.time - b.clock.now).total_seconds()) < 60
    assert f"{sale.time:%Y-%m-%d %H:%M}" in b.receipts()[-1]


# -- sign-off and echo -----------------------------------------------------------------------------


def test_sign_off_gives_up_keys_and_operator(b):
    b.choose("签退")
    b.press("ENTER")
    b.wait_for("签退成功")
    b.wait_for("操作员号")
    assert [e.operation for e in b.trace()][-1] == "sign-off"
    # The host has forgotten the keys, too; a log-in signs on again.
    b.sign_on()
    stories.sale(b, 1000)


def test_sign_off_sends_a_pending_reversal_first(b):
    stories.lost_sale(b, 1000)
    assert b.shows("未完成交易: 1")
    b.choose("签退")
    b.press("ENTER")
    b.wait_for("签退成功")
    sent = [e.operation for e in b.trace() if e.direction == ">"]
    assert sent[-2:] == ["sale-reversal", "sign-off"]
    assert b.journal()[-1].state == "reversed"
    assert b.host.ledger().balance("merchant") == 0


def test_a_lost_sign_off_reply_ends_the_trust(b):
    b.line.drop_next("reply")
    b.choose("签退")
    b.press("ENTER")
    b.clock.advance(65)
    b.wait_for("未签到")


def test_echo_measures_the_round_trip(b):
    b.choose("回响测试")
    b.wait_for("线路正常")
    assert b.shows("毫秒")
    b.to_idle()
    b.line.cut()
    b.choose("回响测试")
    b.wait_for("线路不通")
    before = b.journal()
    b.to_idle()
    assert b.journal() == before


# -- lock ------------------------------------------------------------------------------------------


def test_a_locked_terminal_opens_for_its_operator_and_the_supervisor_only(b):
    b.choose("锁定终端")
    assert b.shows("终端已锁定")
    b.swipe(stories.CARD)
    assert b.shows("终端已锁定")
    b.press("5")
    key_in(b, "02")
    assert b.shows("须由原操作员或主管解锁")
    b.wait_for("终端已锁定")
    b.press("5")
    b.clock.advance(61)  # nobody goes on: it stays locked
    assert b.shows("终端已锁定")
    b.press("5")
    key_in(b, "01")
    key_in(b, "0001")
    desk.after(b, "密码错")
    key_in(b, "0000")
    b.to_idle()
    b.choose("锁定终端")
    b.press("5")
    key_in(b, "00")
    key_in(b, "123456")
    b.to_idle()
    assert b.shows("请刷卡")
    assert [n for n in desk.notes(b, "A") if "lock" in n and "log" not in n] == [
        "01 -- lock", "01 -- unlock by 01", "01 -- lock", "01 -- unlock by 00"]


def test_switching_off_does_not_open_a_locked_terminal(b):
    b.choose("锁定终端")
    desk.restart(b)
    assert b.shows("操作员号")


def test_another_operator_takes_over_without_a_new_sign_on(b):
    before = len(b.trace())
    b.choose("换操作员")
    log_in(b, "02")
    b.to_idle()
    assert len(b.trace()) == before
    assert stories.sale(b, 1000).operator == 2


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_mac_key_of_16_different_bytes_is_used_whole(make_bench, language):
    # Its check value is that of all 16 bytes: the host makes its MACs with triple DES.
    with contextlib.closing(Acquirer(seed=1, policy=Policy(double_mak=True))) as host:
        b = signed_on(make_bench(host=host, language=language))
        sale = stories.sale(b, 500)
        b.power_cut()
        back_on(b)
        stories.void(b, sale.trace)
        assert states(b) == [("sale", "voided"), ("void", "approved")]
        ended_well(b)
