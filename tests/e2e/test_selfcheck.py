"""The self-check: what is in order says so, what is not says what to do, and it is kept."""

import pytest

from host_tools.bench import wiring
from tests.e2e import desk
from tests.e2e.kit import PIN, ended_well, enter, signed_on, started


def run(b):
    """Run the self-check from the idle screen; ends on the list of verdicts."""
    b.choose("自检" if b.language == "zh" else "Self-check")
    b.wait_until(lambda: b.shows("1按键") or b.shows("1Keys"), 90, "the verdicts")


def verdicts(b):
    """Name -> verdict, from all pages of the list; it is at its beginning again then."""
    rows = []
    for _ in range(4):
        rows += b.screen()[1:]
        b.press("DOWN", "DOWN", "DOWN")
    return {row[1:].split()[0]: row.split()[-1] for row in rows if row[:1].isdigit()}


def checked(b, name):
    """Run it and read the finding of that name: (verdict, text)."""
    run(b)
    found = verdicts(b)
    b.press(str((list(found).index(name) + 1) % 10))
    return found[name], "".join(b.read()[1:])


def touch(b, *names):
    """Press keys while another one is held, so that the terminal never comes to rest."""
    for name in names:
        b.touch(name)
        b.clock.advance(0.3)


def test_a_good_terminal_is_good_all_over(b):
    run(b)
    names = ("按键", "显示屏", "打印机", "线路", "时钟", "存储器", "密钥", "参数", "密码", "软件")
    # Preset passwords are pointed out until they are changed.
    assert verdicts(b) == {name: "注意" if name == "密码" else "正常" for name in names}
    assert desk.notes(b, "Y") == ["01 -- passwords look"]
    # It asks the acquirer by one echo and moves no money.
    assert sum(" 0820 echo" in str(entry) for entry in b.trace()) == 1
    assert b.journal() == []


def test_facts_are_numbers_of_this_terminal(make_bench):
    b = signed_on(make_bench(language="en"))
    facts = []
    run(b)
    for number in range(1, 11):
        b.press(str(number % 10))
        facts.append("\n".join(b.read()))
        b.press("CANCEL")
    assert "Paper is there" in facts[2]
    assert "Round trip" in facts[3] and " ms" in facts[3] and "100%" in facts[3]
    assert "2026-11-22" in facts[4] and "Off host     0 s" in facts[4]
    assert "Bad sectors 0/64" in facts[5]
    trace = "\n".join(map(str, b.trace()))
    for name in ("PIK", "MAK"):  # the values the acquirer names, too
        value = trace.split(name + " ")[1][:8]
        assert f"{name}     {value}" in facts[6]
    assert "TMK     08D7B4FB" in facts[6]
    assert "00 01 02 03 04" in facts[8]
    assert "Mobi" in facts[9]


@pytest.mark.parametrize("trouble, verdict, words", [
    ("paper", "故障", "打印机缺纸"), ("cover", "故障", "盖未关"), ("silent", "故障", "无响应"),
    ("low", "注意", "纸将用完"),
])
def test_the_printer(b, trouble, verdict, words):
    paper = b.rig.paper
    {"paper": lambda: paper.runs_out_after(0), "cover": paper.open_cover,
     "silent": paper.silence, "low": paper.near_end}[trouble]()
    found, text = checked(b, "打印机")
    assert found == verdict and words in text


def test_a_line_that_is_down_and_one_that_is_weak(b):
    b.line.cut()
    found, text = checked(b, "线路")
    assert found == "故障" and "请检查接线" in text
    b.to_idle()
    assert b.shows("线路断")  # on the idle screen, too
    b.line.restore()
    b.line.noise(1.5e-3)
    for _ in range(6):
        b.choose("回响测试")
        b.to_idle()
    b.line.noise(0)
    found, text = checked(b, "线路")
    assert found == "注意" and "100%" not in text, text
    b.to_idle()
    assert b.shows("线路") and not b.shows("100%")


def test_a_display_that_was_unplugged(b):
    b.rig.panel.unplug()
    b.press("ENTER")
    b.press("CANCEL")
    b.rig.panel.plug()
    b.clock.advance(3)
    b.to_idle()
    found, text = checked(b, "显示屏")
    assert found == "注意" and "请检查接线" in text


def test_flash_that_takes_nothing_more(b):
    nor = b.rig.flash[wiring.JOURNAL]
    for sector in range(nor.sectors):
        nor.faults[sector] = "program error"
    started(b, 500)
    enter(b, PIN)
    b.to_idle()
    found, text = checked(b, "存储器")
    assert found == "故障" and "流水存储器失效" in text
    assert f"{nor.sectors}/{nor.sectors}" in text.replace(" ", "")


def test_keys_that_are_not_signed_on(b):
    b.choose("签退")
    b.press("ENTER")
    b.wait_for("操作员号")
    desk.log_in(b)
    b.line.cut()  # so that the sign-on which follows the log-in fails
    b.press("CANCEL")
    b.wait_for("按任意键签到")
    b.line.restore()
    b.press("FN", "UP", "UP", "ENTER")
    b.wait_for("1按键")
    b.press("7")
    text = "".join(b.read())
    assert "请先签到" in text and "TMK" in text and "PIK" not in text


def test_a_clock_that_is_wrong(b):
    b.power_cut()
    b.clock.advance(3 * 3600)
    b.line.cut()  # nobody can tell the time at log-in
    b.power_on()
    b.sign_on()
    b.line.restore()
    found, text = checked(b, "时钟")
    assert found == "注意" and "已按主机时间校正" in text, text
    b.to_idle()
    assert checked(b, "时钟")[0] == "正常"


def test_a_key_that_is_stuck(b):
    b.rig.touch("5", True)
    b.clock.advance(11)
    touch(b, "ENTER", "CANCEL")  # the others still work
    assert b.shows("按键 5 卡住")
    touch(b, "CANCEL", "CANCEL", "CANCEL")
    assert b.shows("确认=菜单")
    touch(b, "7", "UP", "UP", "ENTER")  # the last but one of the management menu
    b.wait_for("1按键")
    assert b.shows("故障")
    b.rig.touch("5", False)
    b.to_idle()
    notes = desk.notes(b, "Y")
    assert notes[0] == "01 -- key 5 stuck" and "keys bad" in notes[1]
    assert checked(b, "按键")[0] == "正常"


def test_a_key_that_is_down_at_power_on_is_told_at_log_in(bench):
    b = bench
    b.rig.touch("LAST", True)
    b.board.power_on()
    b.clock.advance(2)
    touch(b, "0", "1", "ENTER", "0", "0", "0", "0", "ENTER")
    b.wait_for("按键 LAST 卡住")
    b.rig.touch("LAST", False)
    b.to_idle()
    ended_well(b)


def test_paper_that_is_out_at_power_on_is_told_at_log_in(bench):
    b = bench
    b.rig.paper.runs_out_after(0)
    b.power_on()
    desk.log_in(b)
    b.wait_for("打印机缺纸")
    b.to_idle()


def test_every_key_can_be_tried(b):
    run(b)
    b.press(*["UP"] * 2, "ENTER")
    assert b.shows("按键测试") and b.shows("请逐个按键")
    others = ("FN", "VOID", "LAST", "REFUND", "UP", "DOWN", "CANCEL", "BACK", "CLEAR")
    b.press(*others, *"0123456789")
    assert b.shows("ENTER") and not b.shows("BACK")
    b.press("ENTER")
    b.wait_for("全部按键正常")
    b.press("ENTER")  # away with the message
    b.press("ENTER")
    b.press(*others, *"0123456789")
    b.clock.advance(11)  # one does not come
    assert b.shows("未按到") and b.shows("ENTER") and not b.shows("LAST")
    assert desk.notes(b, "Y")[-1] == "01 -- keys not pressed: ENTER"


def test_the_findings_on_paper(b):
    run(b)
    b.press("UP", "ENTER")
    b.wait_until(lambda: "客服电话" in b.paper(), what="the slip")
    slip = b.receipts()[-1]
    assert "TMK" in slip and "08D7B4FB" in slip and "请尽快修改" in slip
    assert "0123456789ABCDEF" not in slip
