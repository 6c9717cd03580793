"""The power goes while the emulated Pico trades: inside a flash operation, and between request and
reply. What the chip was left with is what the next start finds."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import PIN, ended_well, signed_on, spent, started, states

pytestmark = pytest.mark.pico


@pytest.fixture
def b(make_bench):
    """A terminal with the PIN of a sale typed in; the next ENTER sends it."""
    bench = signed_on(make_bench(settings={"copies": 1, "reversal_minutes": 1}))
    started(bench, 500)
    bench.type(PIN)
    return bench


def test_cut_inside_the_journal_write(b, picture):
    before = [bytes(nor.mem) for nor in b.rig.flash]
    b.power_cut(at_flash_op=0, torn=True)  # the first operation is the intent's record
    b.touch("ENTER")
    b.wait_until(lambda: not b.powered, what="the power cut")
    picture(b, "cut")
    journal = bytes(b.rig.flash[0].mem)
    torn = [at for at, byte in enumerate(journal) if byte != before[0][at]]
    assert torn and torn[-1] - torn[0] < 256, "one page is half written"
    assert spent(b) == 0, "nothing may leave before its record is whole"

    b.power_on()
    picture(b, "back")
    b.sign_on()
    b.to_idle()
    assert not b.shows("未完成") and [s for _, s in states(b)] == []
    stories.sale(b, 700)
    assert states(b) == [("sale", "approved")] and spent(b) == 700
    ended_well(b, cuts=1)


def test_cut_between_request_and_reply(b, picture):
    picture(b, "pin")
    b.line.delay_next("reply", 20)
    b.touch("ENTER")
    b.wait_until(lambda: spent(b) == 500, what="the host to have booked it")
    picture(b, "waiting-for-the-reply")
    b.power_cut()
    picture(b, "power-cut")
    assert states(b) == [("sale", "pending")]

    b.power_on()
    assert states(b) == [("sale", "reversal_due")], "decided at boot, before anybody logs in"
    b.sign_on()
    picture(b, "reversal-is-due")
    b.to_idle()
    assert b.shows("未完成交易: 1")
    b.wait_until(lambda: states(b) == [("sale", "reversed")], 90, "the terminal's own reversal")
    b.to_idle()
    picture(b, "reversed")
    assert not b.shows("未完成") and spent(b) == 0
    ended_well(b, cuts=1)


def test_a_processor_that_hangs_is_restarted_by_the_watchdog(make_bench):
    b = make_bench()
    b.power_on()
    b.board.chip.hang()
    b.clock.advance(9)
    b._settle()
    assert any("watchdog" in event for event in b.rig.events)
    assert b.shows("操作员号")
    # The bench's clock goes on as before: a call returns when its key has been dealt with.
    before = b.clock.seconds
    b.press("0")
    assert b.screen()[3].strip() == "0"
    b.press("1")
    assert b.screen()[3].strip() == "01" and b.clock.seconds - before < 2
    assert b.board.next_wake_at() - b.kernel.now_us < 3_000_000  # it feeds its watchdog
