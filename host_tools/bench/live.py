"""A bench that lives: it runs in a thread of its own at the pace of real time and takes commands.

The console view and the web page are two faces of one `Live`. Commands are the methods of
`Hands`; whoever watches asks for a `View`, a snapshot that no thread changes any more.
"""

from __future__ import annotations

import base64
import functools
import inspect
import io
import math
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from PIL import Image

from host_tools.acquirer import TEST_CARDS
from host_tools.acquirer.cards import payment_code
from host_tools.acquirer.rules import Rule, RuleError, magic_amounts, personalities
from host_tools.acquirer.trace import Entry
from host_tools.bench import menu
from host_tools.bench.bench import LANGUAGES, Bench, Timeout, WrongUse
from host_tools.bench.line import LineError
from host_tools.bench.paper_lines import Line as PaperLine
from host_tools.bench.paper_picture import line_image
from host_tools.bench.rig import HOLD_US

FRAME_S = 0.02
SPEEDS = (1, 5, 20, 100)
# No catching up after so much real time in which the bench was busy with something else.
_LAG_S = 0.25
_BETWEEN_KEYS_US = 50_000
_TRACE_KEPT = 200
_DAY_S = 86_400
# What wrong use of a command raises; everything else is a mistake in the bench.
MISTAKES = (ValueError, LookupError, TypeError, Timeout, RuleError, LineError, WrongUse)


@dataclass(frozen=True)
class Slip:
    """One printed line: its text, its ink as PNG bytes, the dots it takes, cut behind it?"""

    text: str
    png: bytes
    height: int
    cut: bool


@dataclass(frozen=True)
class View:
    """What there is to see at one moment. Lists are not changed any more once they are in here."""

    number: int
    pixels: tuple[int, ...]  # 64 rows of 128 bits, the leftmost pixel in the highest
    rows: tuple[tuple[tuple[str, int, bool], ...], ...]  # as `Panel.cells`
    text: tuple[str, ...]
    paper_roll: int  # another number: all paper was torn off
    paper: tuple[Slip, ...]
    journal: tuple[dict[str, Any], ...]
    ledger: dict[str, Any]
    trace: tuple[Entry, ...]
    trace_count: int  # of all there ever were; `trace` holds the newest
    status: dict[str, Any]


class Hands:
    """What a person does to the bench. Every public method is a command; arguments are plain.

    They run in the bench's thread. What they raise of ``MISTAKES`` is told to the person.
    """

    def __init__(self, live: Live, bench: Bench) -> None:
        self._live = live
        self._bench = bench

    # -- the terminal --------------------------------------------------------------------------

    def press(self, key: str) -> None:
        """A key, by its name."""
        name = self._bench.key_name(key)
        self._needs_power()
        self._live.keys.append(name)

    def _needs_power(self) -> None:
        if not self._bench.powered:
            raise WrongUse("the terminal is off and feels nothing: switch the power on first")

    def type(self, digits: str) -> None:
        """The digit keys of ``digits``."""
        if not (digits.isascii() and digits.isdigit()):
            raise WrongUse(f"type takes digits, not {digits!r}")
        for digit in digits:
            self.press(digit)

    def swipe(self, card: str, damage: str = "") -> None:
        """A test card by its name, or any number; ``damage`` as in `Reader.swipe`."""
        data = self._bench.swipe_bytes(card, damage=damage or None)
        self._needs_power()
        self._bench.rig.aux(data)

    def scan(self, text: str) -> None:
        """A code under the scanner."""
        self._needs_power()
        self._bench.rig.aux(self._bench.rig.reader.scan(text))

    def pay_by_code(self, card: str) -> None:
        """The wallet of a test card shows its next payment code to the scanner."""
        found = next((one for one in TEST_CARDS if one.name == card), None)
        if found is None:
            raise WrongUse(f"no card {card!r}: {', '.join(one.name for one in TEST_CARDS)}")
        self._live.codes[card] += 1
        self.scan(payment_code(found, self._live.codes[card]))

    def sign_on(self) -> None:
        """Operator 01 logs in and signs on, at once."""
        self._bench.sign_on()

    def language(self, name: str) -> None:
        """"zh" or "en" for everything: at once for page and console, and for the terminal as soon
        as it is idle (through its menu, as anybody may)."""
        if name not in LANGUAGES:
            raise WrongUse(f"language {name!r}: there are {' and '.join(LANGUAGES)}")
        self._live.language = name

    # -- power ---------------------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """The power switch."""
        if on:
            self._bench.power_on()
        else:
            self._bench.power_cut()
            self._live.keys.clear()

    def power_cut_at(self, flash_op: int, torn: bool = True) -> None:
        """Cut the power at the n-th flash operation from now; 0 is the next one."""
        self._bench.power_cut(at_flash_op=flash_op, torn=torn)
        self._live.power_waits = self._bench.flash_ops() + flash_op

    # -- the line ------------------------------------------------------------------------------

    def line_cut(self, cut: bool = True) -> None:
        """Cut the line, or mend everything about it."""
        if cut:
            self._bench.line.cut()
        else:
            self._bench.line.restore()

    def line_cut_after(self, bytes: int) -> None:
        """Cut it when so many more bytes have passed."""
        self._bench.line.cut(after_bytes=bytes)

    def noise(self, ber: float) -> None:
        """Flip each bit on the line with this probability."""
        self._bench.line.noise(ber)

    def line_fault(self, fault: str, what: str, seconds: float = 45) -> None:
        """"drop", "delay" or "duplicate" the next "request" or "reply"."""
        line = self._bench.line
        if fault == "drop":
            line.drop_next(what)
        elif fault == "delay":
            line.delay_next(what, seconds)
        elif fault == "duplicate":
            line.duplicate_next(what)
        else:
            raise WrongUse(f"a message can be dropped, delayed or duplicated, not {fault!r}")

    # -- the acquirer --------------------------------------------------------------------------

    def rule(self, match: str | None = None, **parts: Any) -> None:
        """A rule for the acquirer, as `Acquirer.rule`."""
        _check_types(parts, Rule.__annotations__)
        if "wrong_field" in parts:
            parts["wrong_field"] = tuple(parts["wrong_field"])
        self._bench.host.rule(match, **parts)

    def personality(self, name: str) -> None:
        """The acquirer takes on a character; "honest" is the good one."""
        self._bench.host.personality(name)
        self._live.personality = name

    def amounts(self, on: bool) -> None:
        """Do the last two digits of an amount choose what the acquirer does?"""
        self._bench.host.amounts = on

    def clear_rules(self) -> None:
        """The acquirer is honest again."""
        self._bench.host.clear_rules()
        self._live.personality = "honest"

    # -- printer and panel ---------------------------------------------------------------------

    def paper_out(self, out: bool = True) -> None:
        """Use the paper up, or put a new roll in."""
        if out:
            self._bench.rig.paper.runs_out_after(0)
        else:
            self._bench.rig.load_paper()

    def paper_ends_after(self, lines: int) -> None:
        """The roll has only so many lines left."""
        if lines < 0:
            raise WrongUse(f"lines {lines}: 0 is before the next line")
        self._bench.rig.paper.runs_out_after(lines)

    def cover(self, open: bool = True) -> None:
        """The printer's cover."""
        if open:
            self._bench.rig.paper.open_cover()
        else:
            self._bench.rig.close_cover()

    def printer_silent(self, silent: bool = True) -> None:
        """Pull the printer's plug, or put it back."""
        self._bench.rig.paper.silence(silent)

    def tear_off(self) -> None:
        """Take all paper away."""
        self._bench.rig.paper.tear_off()
        self._live.paper_roll += 1

    def panel_plug(self, plugged: bool) -> None:
        """Pull the panel's cable, or put it back."""
        if plugged:
            self._bench.rig.panel.plug()
        else:
            self._bench.rig.panel.unplug()

    # -- time ----------------------------------------------------------------------------------

    def speed(self, times: float) -> None:
        """How many times as fast as the clock on the wall; 0 stands still."""
        if not 0 <= times <= SPEEDS[-1]:
            raise WrongUse(f"speed {times}: 0 to {SPEEDS[-1]}")
        if self._bench.is_real_time and times != 1:
            raise WrongUse("a program outside has the line: time goes as fast as on the wall")
        self._live.speed = times

    def advance(self, seconds: float) -> None:
        """Let so much virtual time pass at once, at most a day."""
        if self._bench.is_real_time:
            raise WrongUse("a program outside has the line: time goes as fast as on the wall")
        if seconds > _DAY_S:
            raise WrongUse(f"advance {seconds:g} s: at most a day at once, {_DAY_S} s")
        self._bench.clock.advance(seconds)


def commands() -> dict[str, Callable[..., None]]:
    """The commands by name: the public methods of ``Hands``."""
    return {name: item for name, item in vars(Hands).items()
            if callable(item) and not name.startswith("_")}


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "None": (type(None),),
}


def _check_types(arguments: dict[str, Any], annotations: dict[str, str]) -> None:
    # What comes over the wire must be what the command was written for.
    for name, value in arguments.items():
        wanted = annotations.get(name, "").split(" | ")
        if not _TYPES.keys() >= set(wanted):
            continue
        kinds = [kind for part in wanted for kind in _TYPES[part]]
        if isinstance(value, bool):
            fits = bool in kinds
        else:
            fits = isinstance(value, tuple(kinds)) and not (
                isinstance(value, float) and not math.isfinite(value))
        if not fits:
            raise WrongUse(f"{name} must be {' or '.join(wanted)}, not {value!r}")


def _run(hands: Hands, name: str, arguments: dict[str, Any]) -> None:
    command = commands()[name]
    inspect.signature(command).bind(hands, **arguments)
    _check_types(arguments, command.__annotations__)
    command(hands, **arguments)


class Live:
    """Owns the bench. Everything but ``do``, ``view``, ``start`` and ``stop`` is its thread's own.

    ``make`` makes the bench; it is called in the thread that uses it.
    """

    def __init__(self, make: Callable[[], Bench]) -> None:
        self._make = make
        self._queue: queue.Queue[tuple[str, dict[str, Any], Future[None]]] = queue.Queue()
        self._changed = threading.Condition()
        self._view: View | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name="bench", daemon=True)
        self._ready: Future[None] = Future()
        self.error: BaseException | None = None
        # In the bench's thread:
        self.keys: deque[str] = deque()
        self.speed: float = 1
        self.personality = "honest"
        self.language = ""  # of page and console; the terminal follows when it is idle
        self.paper_roll = 0
        self.codes: Counter[str] = Counter()  # payment codes that each wallet has shown
        self.power_waits: int | None = None
        self._next_key_us = 0
        self._eyes = _Eyes()

    # -- from any thread -----------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; returns when the terminal has booted, raises what kept it from that."""
        self._thread.start()
        self._ready.result()

    def stop(self) -> None:
        """End the bench."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    @property
    def running(self) -> bool:
        """Is there a bench? When not, ``error`` says what ended it."""
        return self._thread.is_alive() and not self._stop.is_set()

    def do(self, command: str, **arguments: Any) -> Future[None]:
        """Run a command of ``Hands``; the future has its result, or what it raised."""
        future: Future[None] = Future()
        if command not in commands():
            future.set_exception(
                WrongUse(f"no command {command!r}; there are {', '.join(commands())}"))
        elif not self.running:
            future.set_exception(WrongUse("the bench has ended"))
        else:
            self._queue.put((command, arguments, future))
        return future

    def view(self, after: int = -1, timeout: float | None = None) -> View | None:
        """A view with a number above ``after``; None when none came within ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: (self._view is not None and self._view.number > after)
                or not self.running, timeout)
            view = self._view
        return view if view is not None and view.number > after else None

    # -- in the bench's thread -----------------------------------------------------------------

    def _main(self) -> None:
        try:
            with self._make() as bench:
                bench.power_on()
                self._look(bench)
                self._ready.set_result(None)
                self._run(bench, Hands(self, bench))
        except BaseException as error:  # noqa: BLE001 - told to whoever started the thread
            self.error = error
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self._stop.set()
            self._refuse_the_rest()
            with self._changed:
                self._changed.notify_all()

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            self._queue.get()[2].set_exception(WrongUse("the bench has ended"))

    def _run(self, bench: Bench, hands: Hands) -> None:
        before = time.monotonic()
        while not self._stop.is_set():
            self._commands(hands)
            now = time.monotonic()
            passed = min(now - before, _LAG_S) * self.speed
            before = now
            self._advance(bench, round(passed * 1e6))
            self._agree_on_language(bench)
            self._look(bench)

    def _agree_on_language(self, bench: Bench) -> None:
        # Somebody has changed it on the terminal, or on the page.
        shown = menu.language(bench)
        if shown is None or self.keys:
            return
        if shown != bench.language:
            bench.language = self.language = shown
        elif self.language not in ("", shown):
            bench.choose("语言")
            bench.press(str(1 + LANGUAGES.index(self.language)))
            bench.to_idle()
            bench.language = self.language

    def _commands(self, hands: Hands) -> None:
        timeout = FRAME_S
        while True:
            try:
                name, arguments, future = self._queue.get(timeout=timeout)
            except queue.Empty:
                return
            timeout = 0.0001
            try:
                _run(hands, name, arguments)
            except MISTAKES as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _advance(self, bench: Bench, us: int) -> None:
        until = bench.kernel.now_us + us
        while self.keys and us:
            if not bench.powered:
                self.keys.clear()
                break
            at = max(self._next_key_us, bench.kernel.now_us)
            if at > until:
                break
            bench.run_to(at)
            bench.touch(self.keys.popleft())
            self._next_key_us = at + HOLD_US + _BETWEEN_KEYS_US
        bench.run_to(until)

    def _look(self, bench: Bench) -> None:
        view = self._eyes.look(self, bench)
        if view is not None:
            with self._changed:
                self._view = view
                self._changed.notify_all()


class _Eyes:
    # Makes views; what has not changed is taken from the one before.
    def __init__(self) -> None:
        self._last: View | None = None
        self._flash_ops = -1
        self._books = -1
        self._status_at = 0.0

    def look(self, live: Live, bench: Bench) -> View | None:
        last = self._last
        panel = bench.rig.panel
        pixels = tuple(panel.pixels())
        if last is not None and pixels == last.pixels:
            rows, text = last.rows, last.text
        else:
            rows = tuple(panel.cells(row) for row in range(4))
            text = tuple(panel.text())
        paper = self._paper(live, bench)
        count = bench.host.trace.count
        journal, ledger = self._both_books(bench, count)
        trace = last.trace if last is not None and last.trace_count == count else tuple(
            list(bench.host.trace)[-_TRACE_KEPT:])
        view = View(
            0 if last is None else last.number + 1, pixels, rows, text, live.paper_roll, paper,
            journal, ledger, trace, count, _status(live, bench))
        if last is not None and not self._worth_telling(last, view):
            return None
        self._last = view
        return view

    def _worth_telling(self, last: View, view: View) -> bool:
        now = time.monotonic()
        same = (
            view.pixels == last.pixels and view.paper is last.paper
            and view.journal is last.journal and view.ledger is last.ledger
            and view.trace is last.trace and view.paper_roll == last.paper_roll
        )
        quiet = {k: v for k, v in view.status.items() if k not in ("now", "seconds")}
        before = {k: v for k, v in last.status.items() if k not in ("now", "seconds")}
        if same and quiet == before and now - self._status_at < 0.2:
            return False
        self._status_at = now
        return True

    def _paper(self, live: Live, bench: Bench) -> tuple[Slip, ...]:
        last = self._last
        printed = bench.rig.paper.printed
        had = last.paper if last is not None and last.paper_roll == live.paper_roll else ()
        if len(had) == len(printed) and (not had or had[-1].cut == printed[-1].cut):
            return had
        keep = had[: max(0, len(had) - 1)]  # the last line may have been cut off meanwhile
        return (*keep, *(slip(line) for line in printed[len(keep):]))

    def _both_books(
        self, bench: Bench, count: int
    ) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
        journal = self._last.journal if self._last is not None else ()
        ledger = self._last.ledger if self._last is not None else {}
        ops = bench.flash_ops()
        if ops != self._flash_ops:
            self._flash_ops = ops
            fresh = tuple(_journal_row(txn) for txn in bench.journal())
            journal = journal if fresh == journal else fresh
        if count != self._books:
            self._books = count
            fresh_ledger = _ledger(bench)
            ledger = ledger if fresh_ledger == ledger else fresh_ledger
        return journal, ledger


def slip(line: PaperLine) -> Slip:
    """A printed line for faces: its text and its ink."""
    key = (line.runs, line.align, line.height)
    png = _slip_png(*key) if line.picture is None else _png(line_image(line))
    return Slip(line.text(), png, line.height, line.cut)


@functools.lru_cache(2048)  # the same lines stand on every receipt
def _slip_png(runs: tuple[Any, ...], align: int, height: int) -> bytes:
    return _png(line_image(PaperLine(runs, align, height)))


def _png(ink: Image.Image) -> bytes:
    out = io.BytesIO()
    # One bit deep, black where there is ink; the page multiplies it onto its paper.
    ink.point(lambda value: 0 if value > 127 else 255).convert("1").save(out, "PNG", optimize=True)
    return out.getvalue()


def _journal_row(txn: Any) -> dict[str, Any]:
    names = ("batch", "trace", "kind", "amount", "state", "masked_pan", "rrn", "original_trace")
    return {name: getattr(txn, name) for name in names}


def _ledger(bench: Bench) -> dict[str, Any]:
    ledger = bench.host.ledger()
    names = ("batch", "trace", "kind", "amount", "state", "masked_pan", "rrn", "original_trace",
             "terminal", "code", "card")
    used = sorted({txn.card for txn in ledger.transactions if txn.card})
    return {
        "transactions": [{name: getattr(t, name) for name in names} for t in ledger.transactions],
        "merchant": ledger.balance("merchant"),
        "fee": ledger.balance("fee"),
        "cards": {name: ledger.balance(name) for name in used},
        "sum": sum(entry.amount for entry in ledger.entries),
        "discrepancies": len(ledger.discrepancies),
    }


def _status(live: Live, bench: Bench) -> dict[str, Any]:
    line, paper = bench.line, bench.rig.paper
    waits = live.power_waits
    if waits is not None:
        left = waits - bench.flash_ops()
        waits = live.power_waits = left + bench.flash_ops() if left >= 0 and bench.powered else None
    return {
        "now": bench.clock.now.isoformat(timespec="seconds"),
        "seconds": round(bench.clock.seconds, 1),
        "speed": live.speed,
        "real_time": bench.is_real_time,
        "power": bench.powered,
        "power_cut_in": None if waits is None else waits - bench.flash_ops(),
        "flash_ops": bench.flash_ops(),
        "line_cut": line.is_cut,
        "ber": line.ber,
        "armed": line.armed,
        "line_bytes": line.carried,
        "line_log": line.log[-8:],
        "leads_to": bench.leads_to,
        "paper_out": paper.paper_is_out,
        "cover_open": paper.cover_is_open,
        "printer_silent": paper.is_silent,
        "panel_plugged": bench.rig.panel.is_plugged,
        "beeps": bench.rig.beeps,
        "events": bench.rig.events[-8:],
        "personality": live.personality,
        "amounts": bench.host.amounts,
        "rules": [f"{rule.match or 'any'}: {rule.effect()}" for rule in bench.host.rules],
        "waiting_keys": len(live.keys),
        "idle": menu.is_idle(bench),
        "log_in": menu.is_log_in(bench) or menu.is_not_signed_on(bench),
        "language": live.language or bench.language,
        "terminal": bench.terminal,
        "board": bench.board.name,
        "seed": bench.seed,
        "folder": str(bench.folder),
    }


def pixel_bytes(view: View) -> str:
    """The pixels for a page: 64 rows of 16 bytes, the leftmost pixel in the highest bit, base64."""
    return base64.b64encode(b"".join(row.to_bytes(16, "big") for row in view.pixels)).decode()


def facts() -> dict[str, Any]:
    """What does not change: test cards, characters and magic amounts of the acquirer, speeds."""
    return {
        "cards": [
            {"name": card.name, "masked": card.masked, "pin": card.pin, "note": card.note,
             "expiry": card.expiry, "balance": card.balance}
            for card in TEST_CARDS
        ],
        "personalities": [{"name": name, "text": text} for name, text in personalities()],
        "amounts": magic_amounts(),
        "speeds": SPEEDS,
    }
