"""Stories an operator's hands tell again and again: a sale, a void, a refund, from idle to idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from host_tools.acquirer.cards import TEST_CARDS
from host_tools.bench import menu

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench

CARD = "6222021234567890128"  # the test card that is good for everything
POOR_CARD = next(card.pan for card in TEST_CARDS if card.name == "low")
PIN = "123456"
SUPERVISOR = "123456"
OPERATOR, PASSWORD = "01", "0000"
SECOND_CARD = TEST_CARDS[1].pan

# Texts of the screens a story waits for: Chinese, English.
_TEXTS = {
    "approved": ("交易成功", "Approved"),
    "tear_off": ("请撕纸", "Tear off"),
    "unfinished": ("未完成交易", "Unfinished"),
    "balance": ("余额查询", "Balance"),
    "settle": ("结算", "Settle"),
    "refund": ("退货", "Refund"),
    "void": ("撤销", "Void"),
    "browse": ("交易明细", "Browse"),
    "same": ("有相同交易", "the same"),
    "print_details": ("打印交易明细?", "Print details?"),
    "settlement_short": ("结算未完成", "Settlement open"),
    "no_paper": ("打印机缺纸", "Out of paper"),
}


def text(bench: Bench, name: str) -> str:
    """A text as the terminal of this bench shows it."""
    return _TEXTS[name][bench.language == "en"]


def sale(bench: Bench, amount: int, pan: str = CARD, pin: str = PIN, wait: bool = True) -> Any:
    """A sale of ``amount`` 分 from the idle screen.

    Waits for approval and both copies, and gives the journal's transaction; with ``wait`` false it
    ends when the request is on its way.
    """
    bench.swipe(pan)
    bench.press("ENTER")
    bench.type(str(amount))
    bench.press("ENTER")
    if bench.shows(text(bench, "same")):
        bench.press("ENTER")
    bench.type(pin)
    bench.press("ENTER")
    if not wait:
        return None
    bench.wait_for(text(bench, "approved"))
    finish(bench)
    return bench.journal()[-1]


def sale_by_code(bench: Bench, amount: int, code: str, wait: bool = True) -> Any:
    """A sale paid with a payment code scanned on the idle screen; otherwise as ``sale``."""
    bench.scan(code)
    bench.press("ENTER")
    bench.type(str(amount))
    bench.press("ENTER")
    if not wait:
        return None
    bench.wait_for(text(bench, "approved"))
    finish(bench)
    return bench.journal()[-1]


def lost_sale(bench: Bench, amount: int) -> Any:
    """A sale whose reply is lost on the line, from idle to idle; in the end its reversal is due."""
    bench.line.drop_next("reply")
    sale(bench, amount, wait=False)
    bench.wait_until(lambda: bench.journal()[-1].state == "reversal_due", 120, "a reversal")
    bench.to_idle()
    return bench.journal()[-1]


def finish(bench: Bench) -> None:
    """Let all copies come out and come back to the idle screen."""
    if bench.shows(text(bench, "tear_off")):
        bench.press("ENTER")
    bench.to_idle()


def void(bench: Bench, trace: int, pan: str = CARD, pin: str = PIN) -> Any:
    """Void the sale with that voucher number, from idle to idle."""
    bench.press("VOID")
    bench.type(SUPERVISOR)
    bench.press("ENTER")
    bench.type(str(trace))
    bench.press("ENTER")
    void_goes_on(bench, pan, pin)
    bench.wait_for(text(bench, "approved"))
    finish(bench)
    return bench.journal()[-1]


def void_last(bench: Bench, pan: str = CARD, pin: str = PIN) -> Any:
    """Void the last sale with its own key, from idle to idle."""
    bench.press("LAST")
    bench.type(SUPERVISOR)
    bench.press("ENTER")
    void_goes_on(bench, pan, pin)
    bench.wait_for(text(bench, "approved"))
    finish(bench)
    return bench.journal()[-1]


def void_goes_on(bench: Bench, pan: str = CARD, pin: str = PIN) -> None:
    """From the original's details: confirm, swipe, PIN."""
    bench.press("ENTER")
    bench.swipe(pan)
    bench.press("ENTER")
    bench.type(pin)
    bench.press("ENTER")


def refund(
    bench: Bench, rrn: str, date: str, amount: int, pan: str = CARD, wait: bool = True
) -> Any:
    """Refund ``amount`` 分 of the transaction with that reference number and date (MMDD)."""
    bench.press("REFUND")
    bench.type(SUPERVISOR)
    bench.press("ENTER")
    bench.swipe(pan)
    bench.press("ENTER")
    bench.type(rrn)
    bench.press("ENTER")
    bench.type(date)
    bench.press("ENTER")
    bench.type(str(amount))
    bench.press("ENTER")
    bench.press("ENTER")
    if not wait:
        return None
    bench.wait_for(text(bench, "approved"))
    finish(bench)
    return bench.journal()[-1]


def settle(bench: Bench) -> None:
    """Settle the batch, without printing the details."""
    bench.choose(text(bench, "settle"))
    bench.press("ENTER")
    bench.press("ENTER")
    bench.wait_for(text(bench, "print_details"), timeout=900)
    bench.press("CANCEL")
    bench.to_idle()


def recover(bench: Bench) -> None:
    """Power and line come back, the operator logs in and does what the terminal asks for, until it
    is idle. ``Timeout`` when it never is."""
    bench.line.restore()
    bench.host.clear_rules()
    bench.power_on()
    for _ in range(30):
        if menu.is_idle(bench):
            return
        if menu.is_log_in(bench):
            for digits in (OPERATOR, PASSWORD):
                bench.type(digits)
                bench.press("ENTER")
        elif bench.shows(text(bench, "print_details")):
            bench.press("CANCEL")
        elif menu.is_not_signed_on(bench) or bench.shows(text(bench, "settlement_short")):
            bench.press("ENTER")
        else:
            before = bench.screen()
            bench.clock.advance(5)
            if bench.screen() == before:
                bench.press("CANCEL")
    bench.wait_until(lambda: menu.is_idle(bench), 0, "the idle screen after a recovery")
