"""A trading day on the emulated Pico: what a merchant does, and what both ends know afterwards."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import CARD, PIN, SUPERVISOR, ended_well, enter, spent, started, states

pytestmark = pytest.mark.pico


def test_a_day(bench, picture):
    b = bench
    b.power_on()
    assert b.shows("操作员号"), b.screen()
    picture(b, "log-in")
    b.sign_on()
    picture(b, "idle")

    started(b, 12345)
    b.type(PIN[:4])
    picture(b, "pin")
    b.type(PIN[4:])
    b.touch("ENTER")
    b.wait_for("交易成功")
    picture(b, "approved")
    stories.finish(b)
    assert states(b) == [("sale", "approved")] and spent(b) == 12345
    assert len(b.receipts()) == 2 and all("123.45" in slip for slip in b.receipts())

    b.press("LAST")
    enter(b, SUPERVISOR)
    assert b.shows("123.45"), b.screen()
    picture(b, "void-last")
    stories.void_goes_on(b, CARD)
    b.wait_for("交易成功")
    stories.finish(b)
    assert states(b) == [("sale", "voided"), ("void", "approved")] and spent(b) == 0

    stories.sale(b, 500)
    stories.settle(b)
    picture(b, "settled")
    assert {txn.state for txn in b.journal()} == {"voided", "settled"}
    assert "对账平" in b.receipts()[-1] and spent(b) == 500
    measured = b.measure()
    assert measured["heap_free"] >= 120_000
    assert 0 < measured["python_stack_used"] <= 2048, "of 3,072 in boards/rpi_pico/pystack.c"
    assert measured["stack_used"] <= 7000, "of 7,936 beyond which MicroPython refuses a call"
    assert b.rig.lost_bytes == 0
    assert all(uart.lost == 0 for uart in b.board.chip.uart)
    ended_well(b)
