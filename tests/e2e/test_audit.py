"""The audit trail: every kind of act, with who, when, why, before and after; nothing edits it."""

import json

from host_tools import cli
from host_tools.acquirer.security import kcv
from host_tools.bench import stories, wiring
from host_tools.journal import decode
from host_tools.journal.trail import trail
from tests.e2e import desk
from tests.e2e.desk import administrator, key_in
from tests.e2e.kit import CARD, SUPERVISOR, accept_late, pick


def acts(b, kind=""):
    """The exported trail: (operator, supervisor, what, before, after, reason) of each act."""
    found = trail(decode(bytes(b.rig.flash[wiring.JOURNAL].mem)))
    return [(a.operator, a.supervisor, a.what, a.before, a.after, a.reason) for a in found
            if kind in ("", a.kind)]


def test_a_void_and_a_refund_name_supervisor_reason_before_and_after(b):
    first, second = stories.sale(b, 5000), stories.sale(b, 8000)
    b.press("VOID")
    key_in(b, SUPERVISOR)
    key_in(b, str(first.trace))
    stories.void_goes_on(b)
    b.wait_for("交易成功")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.wait_for("原因")
    b.press("1")  # wrong amount
    b.to_idle()
    stories.refund(b, second.rrn, f"{b.clock.now:%m%d}", 3000)
    assert acts(b, "void") == [
        ("01", "00", f"sale {first.trace:06d}, 50.00", "approved", "voided", "Wrong amount")]
    assert acts(b, "refund") == [
        ("01", "00", f"sale {second.trace:06d}, 30.00", "approved", "refunded", "Not given")]


def test_a_void_that_was_declined_is_there_as_an_attempt(b):
    sale = stories.sale(b, 5000)
    b.host.rule("void", code="05")
    b.press("LAST")
    key_in(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for("05")
    assert acts(b, "void") == [
        ("01", "00", f"sale {sale.trace:06d}, 50.00", "", "declined", "")]


def test_a_release_names_supervisor_reason_and_what_it_was(make_bench):
    b = make_bench(state="refund-unknown")
    b.choose("未完成交易")
    b.press("ENTER", "ENTER")
    b.host.rule("query", code="40")  # the host has no answer
    pick(b, "查询主机")
    b.wait_for("主机不支持查询")
    b.press("ENTER")
    pick(b, "人工解除")
    key_in(b, SUPERVISOR)
    b.press("2")  # the bank handles it
    b.press("ENTER")
    b.wait_for("已解除")
    assert acts(b, "release") == [
        ("", "00", "refund 30.00", "unknown", "released", "Bank handles it")]


def test_a_late_result_that_was_accepted(make_bench):
    b = make_bench(state="late-approval")
    accept_late(b)
    assert acts(b, "late result") == [("01", "", "sale 77.00", "reversal_due", "approved", "")]


def test_parameters_operators_passwords_and_keys(b):
    b.choose("语言")
    b.press("2")
    b.choose("Language")
    b.press("1")
    b.choose("修改密码")
    for digits in ("0000", "1357", "1357"):
        key_in(b, digits)
    b.to_idle()
    b.choose("换操作员")
    administrator(b)
    b.press("5", "1")  # operators, add
    for digits in ("07", "2468", "2468"):
        key_in(b, digits)
    b.wait_for("操作员列表")
    b.press("CANCEL")
    b.press("4", "ENTER")  # master key, over the one that is there
    for digit in "12":
        key_in(b, digit * 16)
        key_in(b, digit * 16)
        b.press("ENTER")
    b.press("ENTER")
    assert acts(b, "parameter") == [
        ("01", "", "language", "0", "1", ""), ("01", "", "language", "1", "0", "")]
    assert acts(b, "password") == [("01", "", "changed 01", "", "", "")]
    assert acts(b, "operators") == [("99", "", "added 07", "", "", "")]
    new = kcv(b"\x33" * 16).hex().upper()
    assert acts(b, "keys") == [("99", "", "master key", "08D7B4FB", new, "")]


def test_access_session_start_and_faults(b):
    b.line.drop_next("reply")
    b.choose("回响测试")
    b.clock.advance(70)
    b.to_idle()
    b.choose("锁定终端")
    b.press("ENTER")
    key_in(b, "01")
    key_in(b, "0000")
    b.to_idle()
    b.choose("签退")
    b.press("ENTER")
    b.clock.advance(5)
    desk.restart(b)
    assert [what for _, _, what, *_ in acts(b, "access")] == [
        "log-in", "lock", "unlock by 01", "log-out"]
    assert [what for _, _, what, *_ in acts(b, "session")] == ["sign-on, batch 000001", "sign-off"]
    assert ["echo" in what for _, _, what, *_ in acts(b, "fault")] == [True]
    starts = acts(b, "boot")
    assert len(starts) == 2 and "terminal 00000001, Mobi " in starts[0][2]


def test_the_trail_is_exported_with_its_batch(b, tmp_path, capsys):
    stories.sale(b, 5000)
    stories.settle(b)
    sale = stories.sale(b, 700)
    stories.void(b, sale.trace)
    b.save(tmp_path)

    def exported(*options):
        image = str(tmp_path / "journal.bin")
        assert cli.main(["journal", "audit", image, *options]) == 0
        return capsys.readouterr().out

    rows = json.loads(exported("--format", "json", "--batch", "1"))
    assert {row["batch"] for row in rows} == {1}
    assert {row["terminal"] for row in rows} == {"00000001"}
    assert rows[-1]["what"].startswith("batch 000001 settled, verdict 1")
    rows = json.loads(exported("--format", "json", "--batch", "2"))
    assert [row["kind"] for row in rows] == ["void"] and rows[0]["trace"] == sale.trace + 1
    text = exported()
    assert "log-in" in text and "voided" in text and CARD not in text
    assert exported("--format", "csv").startswith("time,terminal,batch,trace,kind,operator")


def clear(b):
    """The administrator clears the journal."""
    b.press("7")
    key_in(b, desk.ADMINISTRATOR[1])
    b.press("ENTER")


def test_nothing_in_the_menus_takes_a_note_away(b):
    """Every entry of the trail is still there after a day; clearing the journal prints it first."""
    stories.sale(b, 5000)
    before = acts(b)
    stories.settle(b)
    assert acts(b)[:len(before)] == before
    b.choose("换操作员")
    administrator(b)
    before = acts(b)
    b.rig.paper.runs_out_after(5)
    clear(b)
    b.wait_for("打印机缺纸")
    b.press("CANCEL")
    assert acts(b) == before, "cleared although the trail did not come out"
    b.rig.load_paper()
    clear(b)
    b.wait_for("已完成")
    slip = b.rig.paper.receipts[-1]
    assert all(what in slip.replace("\n", "") for _, _, what, *_ in before if len(what) < 30)
    (cleared,) = acts(b, "clear")
    assert cleared[0] == "99" and f"{len(before)} notes" in cleared[2]
