"""What the session, administration and settlement tests do again and again at the counter."""

from __future__ import annotations

from host_tools.bench import Bench, wiring
from host_tools.journal import decode

ADMINISTRATOR = ("99", "00000000")
SUPERVISOR = ("00", "123456")


def key_in(b: Bench, digits: str) -> None:
    """Type digits and ENTER."""
    b.type(digits)
    b.press("ENTER")


def log_in(b: Bench, number: str = "01", password: str = "0000") -> None:
    """Log in on the log-in screen; messages of the start are left on the screen."""
    assert b.shows("操作员登录") or b.shows("Log in"), b.screen()
    key_in(b, number)
    key_in(b, password)


def after(b: Bench, message: str) -> None:
    """See ``message`` and wait until it is gone by itself."""
    b.wait_for(message)
    b.wait_until(lambda: not b.shows(message), what=f"the end of {message!r}")


def administrator(b: Bench) -> None:
    """Log the administrator in and come to the system menu."""
    log_in(b, *ADMINISTRATOR)
    b.wait_for("终端参数" if b.language == "zh" else "Parameters")


def log_out(b: Bench) -> None:
    """From the system menu back to the log-in screen."""
    b.press("0")
    assert b.shows("操作员号") or b.shows("Operator no."), b.screen()


def notes(b: Bench, kind: str = "") -> list[str]:
    """The audit trail by the independent decoder, oldest first: the words of each note."""
    found = decode(bytes(b.rig.flash[wiring.JOURNAL].mem)).notes
    return [note.payload.decode("gbk", "replace") for note in found
            if not kind or note.kind == kind.encode()]


def restart(b: Bench) -> None:
    """Cut the power and switch on again."""
    b.power_cut()
    b.power_on()


def everything(b: Bench, wanted: int = 60) -> str:
    """All rows of a text that scrolls, from its first page on."""
    rows: list[str] = []
    last: list[str] = []
    for _ in range(wanted):
        now = b.screen()[1:]
        if now == last:
            break
        rows += now
        last = now
        b.press("DOWN")
    return "\n".join(rows)
