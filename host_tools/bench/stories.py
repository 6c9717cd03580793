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
    "card_number": ("卡号", "Card number"),
    "payment_code": ("付款码", "Payment code"),
    "amount": ("请输入金额", "Enter amount"),
    "pin": ("请输入密码", "Enter PIN"),
    "supervisor": ("主管密码", "Supervisor"),
    "voucher": ("原凭证号", "Original voucher"),
    "swipe": ("请刷卡", "Swipe card"),
    "rrn": ("原参考号", "Original RRN"),
    "date": ("原交易日期", "Original date"),
    "refund_amount": ("退货金额", "Refund amount"),
    "settle_sure": ("是否批结算", "Settle the batch"),
    "no_paper": ("打印机缺纸", "Out of paper"),
}


# While one of these is on the panel the terminal is at work; what it says is not its last word.
_AT_WORK = ("正在", "请稍候", "批上送", "Connecting", "Sending", "Waiting for", "Reversing",
            "Printing", "Upload", "reversed, then")
# The longest message passes by itself in ten seconds. What stands longer waits for a person.
_STANDS_S = 11


def text(bench: Bench, name: str) -> str:
    """A text as the terminal of this bench shows it."""
    return _TEXTS[name][bench.language == "en"]


def _asked(bench: Bench, *names: str) -> None:
    # The terminal asks for what comes next, or the story ends here: its keys would go astray.
    wanted = [text(bench, name) for name in names]
    bench.wait_until(
        lambda: any(bench.shows(one) for one in wanted), 0, f"{' or '.join(wanted)} on the panel")


def _anything(bench: Bench, *names: str) -> None:
    # Whatever the terminal asks for, the fingers go on.
    pass


def _comes(bench: Bench, name: str, timeout: float = 90, pin: str = "") -> None:
    # ``name`` on the panel; not later than when the terminal has obviously refused. ``pin``: keyed
    # once more where the terminal has renewed its keys by itself and asks for it anew.
    wanted = text(bench, name)

    def over() -> bool:
        return bench.shows(wanted) or menu.is_idle(bench) or (
            bench.standing_s >= _STANDS_S and not any(bench.shows(one) for one in _AT_WORK))

    bench.wait_until(over, timeout, f"{wanted!r} on the panel")
    if pin and bench.shows(text(bench, "pin")):
        bench.type(pin)
        bench.press("ENTER")
        _comes(bench, name, timeout)
    bench.wait_until(lambda: bench.shows(wanted), 0, f"{wanted!r} on the panel")


def sale(bench: Bench, amount: int, pan: str = CARD, pin: str = PIN, wait: bool = True) -> Any:
    """A sale of ``amount`` 分 from the idle screen.

    Waits for approval and both copies, and gives the journal's transaction; ``Timeout`` as soon as
    the terminal asks for something else or refuses. With ``wait`` false it ends when the request
    is on its way, and looks at nothing.
    """
    asked = _asked if wait else _anything
    bench.swipe(pan)
    asked(bench, "card_number")
    bench.press("ENTER")
    asked(bench, "amount")
    bench.type(str(amount))
    bench.press("ENTER")
    if bench.shows(text(bench, "same")):
        bench.press("ENTER")
    asked(bench, "pin")
    bench.type(pin)
    bench.press("ENTER")
    if not wait:
        return None
    _comes(bench, "approved", pin=pin)
    finish(bench)
    return bench.journal()[-1]


def sale_by_code(bench: Bench, amount: int, code: str, wait: bool = True) -> Any:
    """A sale paid with a payment code scanned on the idle screen; otherwise as ``sale``."""
    asked = _asked if wait else _anything
    bench.scan(code)
    asked(bench, "payment_code")
    bench.press("ENTER")
    asked(bench, "amount")
    bench.type(str(amount))
    bench.press("ENTER")
    if not wait:
        return None
    _comes(bench, "approved")
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
    """Void the sale with that voucher number, from idle to idle. ``Timeout`` as with ``sale``."""
    bench.press("VOID")
    _supervisor(bench)
    _asked(bench, "voucher")
    bench.type(str(trace))
    bench.press("ENTER")
    void_goes_on(bench, pan, pin)
    _comes(bench, "approved", pin=pin)
    finish(bench)
    return bench.journal()[-1]


def void_last(bench: Bench, pan: str = CARD, pin: str = PIN) -> Any:
    """Void the last sale with its own key, from idle to idle. ``Timeout`` as with ``sale``."""
    bench.press("LAST")
    _supervisor(bench)
    void_goes_on(bench, pan, pin)
    _comes(bench, "approved", pin=pin)
    finish(bench)
    return bench.journal()[-1]


def _supervisor(bench: Bench) -> None:
    _asked(bench, "supervisor")
    bench.type(SUPERVISOR)
    bench.press("ENTER")


def void_goes_on(bench: Bench, pan: str = CARD, pin: str = PIN) -> None:
    """From the original's details: confirm, swipe, PIN. ``Timeout`` as with ``sale``."""
    bench.press("ENTER")
    _asked(bench, "swipe")
    bench.swipe(pan)
    _asked(bench, "card_number")
    bench.press("ENTER")
    _asked(bench, "pin")
    bench.type(pin)
    bench.press("ENTER")


def refund(
    bench: Bench, rrn: str, date: str, amount: int, pan: str = CARD, wait: bool = True
) -> Any:
    """Refund ``amount`` 分 of the transaction with that reference number and date (MMDD).
    ``Timeout`` and ``wait`` as with ``sale``."""
    asked = _asked if wait else _anything
    bench.press("REFUND")
    asked(bench, "supervisor")
    bench.type(SUPERVISOR)
    bench.press("ENTER")
    asked(bench, "swipe")
    bench.swipe(pan)
    asked(bench, "card_number")
    bench.press("ENTER")
    asked(bench, "rrn")
    bench.type(rrn)
    bench.press("ENTER")
    asked(bench, "date")
    bench.type(date)
    bench.press("ENTER")
    asked(bench, "refund_amount")
    bench.type(str(amount))
    bench.press("ENTER")
    bench.press("ENTER")
    if not wait:
        return None
    _comes(bench, "approved")
    finish(bench)
    return bench.journal()[-1]


def settle(bench: Bench) -> None:
    """Settle the batch, without printing the details. ``Timeout`` as with ``sale``."""
    bench.choose(text(bench, "settle"))
    _asked(bench, "settle_sure")
    bench.press("ENTER")
    bench.press("ENTER")
    _comes(bench, "print_details", timeout=900)
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
