"""The bench at a real terminal's line. The terminal is another bench's, at the end of a pty and in
real time; its hands are the person of the manual script."""

import threading

import pytest

from host_tools.bench import Bench, stories
from host_tools.bench.line import LineError
from host_tools.bench.serial_board import SCRIPT, NoWires, walk


def sale_until_sent(b):
    stories.sale(b, 700, wait=False)
    b.wait_for("正在发送")
    b.clock.advance(1)
    b.power_cut()
    b.power_on()
    b.sign_on()
    b.to_idle()
    assert b.shows("未完成交易: 1")


# What the person does at each step of the script.
HANDS = (
    lambda b: b.power_on(),
    lambda b: b.sign_on(),
    lambda b: stories.sale(b, 500),
    lambda b: stories.void_last(b),
    sale_until_sent,
    lambda b: stories.sale(b, 300),
    lambda b: stories.settle(b),
)


def walk_through(make_bench, steps):
    """Walk through the first ``steps``; (steps missed, what was said, the acquirer's bench)."""
    said = []
    result = []
    terminal = make_bench(board="unix", line="pty", settings={"copies": 1})
    bench = make_bench(board=terminal.line_port)
    walker = threading.Thread(
        target=lambda: result.append(walk(bench, SCRIPT[:steps], said.append)), daemon=True
    )
    walker.start()
    for hand in HANDS[:steps]:
        hand(terminal)
    walker.join(60)
    return result, said, bench


def test_a_person_is_taken_through_the_script(make_bench):
    result, said, bench = walk_through(make_bench, 3)
    assert result == [0], said
    assert "3 of 3 steps good" in said[-1]
    assert [t.amount for t in bench.host.ledger().transactions] == [500]


@pytest.mark.slow
def test_the_whole_script_can_be_walked(make_bench):
    assert len(HANDS) == len(SCRIPT)
    result, said, _ = walk_through(make_bench, len(SCRIPT))
    assert result == [0], said


def test_what_needs_wires_says_so(make_bench):
    terminal = make_bench(board="unix", line="pty")
    bench = make_bench(board=terminal.line_port)
    bench.power_on()
    with pytest.raises(NoWires, match="press the key by hand"):
        bench.press("1")
    with pytest.raises(NoWires, match="swipe by hand"):
        bench.swipe("good")
        bench.clock.advance(1)


def test_a_port_that_is_not_there():
    with pytest.raises(LineError, match="/dev/nothing"):
        Bench(board="/dev/nothing")
