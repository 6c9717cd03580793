"""`mobi run` in a console and without one: what it draws, what typed characters do, how it ends."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from host_tools.bench import Bench
from host_tools.bench.console import _WORDS, FAULTS, HELP, Console, columns, fit, log_lines, split
from host_tools.bench.live import Live

COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(scope="module")
def live():
    live = Live(Bench)
    live.start()
    yield live
    live.stop()


@pytest.fixture
def console(live):
    return Console(live, sys.stdout)


def shown(console, live, width=120, height=44):
    return [COLOURS.sub("", line) for line in console.lines(live.view(), width, height)]


def wait(live, text, console=None):
    number = -1
    for _ in range(500):
        view = live.view(number, 1)
        if console is not None:
            console._answers()
        if view is not None:
            number = view.number
            if text in "".join("".join(view.text).split()):
                return view
    raise AssertionError(f"never {text}")


def until(live, name, value):
    for _ in range(100):
        if live.view().status[name] == value:
            return
        live.view(live.view().number, 1)
    raise AssertionError(f"{name} is never {value}")


def test_wide_characters_take_two_columns():
    assert columns("末笔 Mobi") == 9
    assert fit("末笔撤销", 5) == "末笔 " and columns(fit("末笔", 5)) == 5
    assert fit("abc", 2) == "ab"


def test_what_was_typed_is_taken_apart():
    assert split("12\x1b[A\r") == (["1", "2", "\x1b[A", "\r"], "")
    assert split("1\x1b") == (["1"], "\x1b")
    assert split("\x1b", last=True) == (["\x1b"], "")
    assert split("\x1b[3~x") == (["\x1b[3~", "x"], "")
    assert split("\x1bq") == (["\x1b", "q"], "")


def test_keys_cards_and_faults_reach_the_bench(console, live):
    wait(live, "操作员号")
    for typed in "a":
        console.do(typed)
    wait(live, "请刷卡", console)
    console.do(">")
    console.do("s")
    assert any("刷哪张卡" in line for line in shown(console, live))
    console.do("4")
    wait(live, "卡号")
    assert "0151" in "".join(live.view().text)
    console.do("\x1b")
    wait(live, "请刷卡")
    console.do("k")
    until(live, "line_cut", True)
    text = "\n".join(shown(console, live))
    assert "已断" in text
    console.do("k")
    console.do("Z")
    assert "没有" in console.note
    console.do("?")
    assert any("0810 sign-on" in line for line in shown(console, live))
    console.do("?")
    console.do("q")
    wait(live, "付款码")
    console.do("\x1b")
    wait(live, "请刷卡")
    console.do("m")
    until(live, "amounts", True)
    assert any("金额暗号已开" in line for line in shown(console, live))
    console.do("m")
    until(live, "amounts", False)
    console.do("f")
    wait(live, "管理")


def test_one_switch_for_the_language_of_console_and_terminal(console, live):
    wait(live, "管理")
    console.do("g")
    until(live, "language", "en")
    assert any("lose the next reply" in line for line in shown(console, live))  # at once
    console.do("\x1b")
    wait(live, "ENTER=menu")  # the terminal, as soon as it is idle
    for typed in "\r8":
        console.do(typed)
    wait(live, "Balance")
    for typed in "61":
        console.do(typed)
    until(live, "language", "zh")  # changed on the terminal: the console follows
    console.showing = "help"
    assert any("丢掉下一条应答" in line for line in shown(console, live))
    assert any("主管密码" in line and "123456" in line for line in shown(console, live))


def test_every_word_of_the_console_is_there_in_both_languages(console, live):
    assert all(len(words) == 3 for words in (*HELP, *FAULTS))
    assert all(zh != en for zh, en in _WORDS.values())
    assert not any(re.search("[\u4e00-\u9fff]", en) for _, _, en in FAULTS)


def test_where_there_is_room_for_one_it_is_help_or_paper(console, live):
    def second():
        return "\n".join(shown(console, live, 80, 24))

    assert "Ctrl-C" in second() and "撕纸" in second()
    console.do("9")
    assert "Ctrl-C" not in second()
    console.do("?")
    console.do("?")
    assert "0810 sign-on" in second()
    console.do("\x7f")


def test_where_else_the_terminal_is_stays_in_the_first_row(live):
    console = Console(live, sys.stdout, "page: http://127.0.0.1:1/")
    console.do("Z")
    assert "page: http://127.0.0.1:1/" in shown(console, live)[0]


def test_the_view_fits_every_size_and_its_columns_stand_straight(console, live):
    for width, height in ((80, 24), (100, 30), (136, 50)):
        lines = shown(console, live, width, height)
        assert len(lines) <= height
        assert max(columns(line) for line in lines) <= width, (width, height)
    box = [line for line in shown(console, live) if "│" in line]
    assert len(box) == 4
    assert {columns(line[: line.rindex("│")]) for line in box} == {20}


def test_a_log_tells_only_what_is_new(live):
    view = live.view()
    first = log_lines(view, None)
    assert any(" panel " in line for line in first) and any(" line " in line for line in first)
    assert log_lines(view, view) == []


@contextlib.contextmanager
def run(*options, lang="", **popen):
    with subprocess.Popen(
        [sys.executable, "-m", "host_tools.cli", "run", *options],
        env=dict(os.environ, TERM="xterm", COLUMNS="120", LINES="40", PYTHONUTF8="1",
                     LC_ALL="", LC_MESSAGES="", LANG=lang), **popen
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(fd, wanted, seconds=40):
    text = ""
    end = time.monotonic() + seconds
    while wanted not in text:
        ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        assert ready, f"never {wanted!r} in {text[-2000:]!r}"
        text += os.read(fd, 65536).decode(errors="replace")
    return text


def test_mobi_run_in_a_console_until_ctrl_c():
    ours, theirs = os.openpty()
    with run(stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
             lang="zh_CN.UTF-8") as process:
        os.close(theirs)
        text = read_until(ours, "操作员号")
        assert "http://127.0.0.1:" in text and "\x1b[?1049h" in text
        os.write(ours, b"a")
        read_until(ours, "请刷卡")
        process.send_signal(signal.SIGINT)  # what Ctrl-C makes of a controlling terminal
        read_until(ours, "\x1b[?1049l")
        assert process.wait(20) == 0
    os.close(ours)


def test_mobi_run_without_a_console_writes_a_log_until_it_is_told_to_end():
    with run("--no-page", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
             lang="en_GB.UTF-8") as process:
        text = read_until(process.stdout.fileno(), "Operator no.")
        assert re.search(r"09:00:\d\d panel  Log in", text)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
