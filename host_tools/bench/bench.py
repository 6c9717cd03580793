"""The bench: one terminal with everything around it, driven from Python in virtual time.

    with Bench(board="unix", seed=1) as b:
        b.power_on()
        b.sign_on(operator="01", password="0000")
        b.swipe("6222021234567890128", expiry="3012")
        ...

Nothing happens between two calls. A call that gives the terminal something to do (a key, a card,
power) returns when the terminal has dealt with it and the panel is quiet; ``wait_for`` and
``clock.advance`` let virtual time pass. So a test needs no sleeps, and a run with the same calls
and the same seed is the same run, byte for byte. docs/bench.md says what each call guarantees.
"""

from __future__ import annotations

import functools
import io
import logging
import random
import re
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools.acquirer import TEST_CARDS, Acquirer, Answer
from host_tools.acquirer.notices import Courier, Sink
from host_tools.acquirer.trace import Entry
from host_tools.bench import abroad, boards, menu, provisioning, states, wiring
from host_tools.bench.kernel import Kernel
from host_tools.bench.keypad import NoSuchKey
from host_tools.bench.line import HostEnd
from host_tools.bench.nor import MODES, Nor
from host_tools.bench.oracle import Oracle
from host_tools.bench.outside import Outside, Port, Pty, SerialPort
from host_tools.bench.rig import HOLD_US, Rig

if TYPE_CHECKING:
    from host_tools.journal import Reader, Transaction

log = logging.getLogger(__name__)

# The world is quiet when nothing has moved on a bus for so long and nothing is about to.
QUIET_US = 120_000
# How long a call waits at most for the quiet (a settlement of 500 transactions takes minutes).
PATIENCE_US = 900_000_000
START = datetime(2026, 11, 22, 9, 0, 0)
IMAGES = ("journal.bin", "vault.bin")
# A screen that somebody could read stands for so long; so many of them a report tells.
_READABLE_US = 50_000
_FRAMES = 8
LATENCY_S = 0.05  # of the acquirer's network, one reply


LANGUAGES = ("zh", "en")
# Words on the keys of Chinese terminals, for `press`.
_KEY_WORDS = {
    "确认": "ENTER", "取消": "CANCEL", "退格": "BACK", "清除": "CLEAR", "功能": "FN",
    "撤销": "VOID", "末笔": "LAST", "退货": "REFUND", "上": "UP", "下": "DOWN",
}
_CARDS = {card.name: card for card in TEST_CARDS}
# How many benches a shared acquirer has had: each gets a terminal number of its own.
_shared: weakref.WeakKeyDictionary[Acquirer, int] = weakref.WeakKeyDictionary()


Pace = Callable[["Bench", int, "Callable[[], bool] | None"], None]


class Timeout(AssertionError):
    """What a test waited for did not come. The text shows where the terminal stands."""


class NoPower(Timeout):
    """The terminal has no power: it feels no key and no card. The text says what took it away."""


class WrongUse(ValueError):
    """The bench cannot do that; the text says what it can."""


class Clock:
    """The bench's virtual time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def now(self) -> datetime:
        """The date and time the acquirer goes by."""
        return START + timedelta(microseconds=self._bench.kernel.now_us)

    @property
    def seconds(self) -> float:
        """Virtual seconds since the bench began."""
        return self._bench.kernel.now_us / 1e6

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass."""
        if seconds < 0:
            raise WrongUse(f"clock.advance({seconds}): time goes forwards only")
        self._bench._run(self._bench.kernel.now_us + round(seconds * 1e6))


class Bench:
    """A terminal on a board, its devices, its line and its acquirer.

    ``board``: "unix" (a MicroPython process); docs/boards.md has the others. ``seed``: everything
    random comes from it. ``settings``: parameters of the terminal beside the usual ones, by name
    (`firmware/mobi/settings.py`; also "tmk", "batch", "trace"). ``language``: "zh" or "en".
    ``journal_kib``: size of the journal's flash region. ``unit``: how much the flash driver
    programs at once, 256 (rp2) or 1 (any length).
    ``host``: an ``Acquirer`` to share between benches; by default each bench has its own. Benches
    that share one get the terminal numbers 00000001, 00000002, ... unless ``settings`` names them.
    ``amounts``: switch the magic amounts of the bench's own acquirer on.
    ``notices``: where the merchant's events go from the bench's own acquirer
    (`host_tools/acquirer/notices.py`: ``Webhook``, ``FileSink``), beginning with the bench.
    ``state``: begin where something has happened already, switched on and logged in
    (`host_tools/bench/states.py` has the names).
    ``line``: None leads to the acquirer of the bench, "tcp:HOST:PORT" to one of your own, in
    virtual time as well (`abroad`). "pty" makes a pseudo terminal that another program opens
    (`b.line_port` is its name), a serial port's name leads out there; these run in real time.
    ``provision`` false: a blank terminal. ``keep``: a folder for flash images and the log instead
    of a private one that is removed at the end; images that lie there are taken over.
    """

    def __init__(
        self,
        board: str = "unix",
        seed: int = 1,
        *,
        settings: dict[str, Any] | None = None,
        language: str = "zh",
        journal_kib: int = 256,
        unit: int = 256,
        host: Acquirer | None = None,
        amounts: bool = False,
        notices: Sequence[Sink] = (),
        state: str | None = None,
        line: str | None = None,
        provision: bool = True,
        keep: str | Path | None = None,
    ) -> None:
        if language not in LANGUAGES:
            raise WrongUse(f"language={language!r}: the terminal speaks {' and '.join(LANGUAGES)}")
        if unit not in (1, 256):
            raise WrongUse(f"unit={unit}: a flash driver programs 1 byte or 256 at once")
        if journal_kib % 4 or not 64 <= journal_kib <= 1024:
            raise WrongUse(f"journal_kib={journal_kib}: a multiple of 4 from 64 to 1024")
        if host is not None and amounts:
            raise WrongUse("amounts belong to the bench's own acquirer: Acquirer(amounts=True)")
        if notices and (host is not None or line is not None):
            raise WrongUse("notices come from the bench's own acquirer: leave out host and line")
        if state is not None and state not in states.names():
            raise WrongUse(f"state={state!r}: there are {', '.join(states.names())}")
        if state is not None and (host is not None or line is not None):
            raise WrongUse(f"state={state!r} brings its own acquirer: leave out host and line")
        boards.check(board)
        if state is not None:
            settings = {**states.options(state), **(settings or {})}
        self.seed = seed
        self.language = language
        self.kernel = Kernel()
        self.clock = Clock(self)
        if host is None:
            host, shared = Acquirer(seed=seed, amounts=amounts, notices=bool(notices)), False
        else:
            shared = True
        self.host = host
        self._shared = shared
        self._courier: Courier | None = None
        self._reader: Reader | None = None
        options = self._options(settings, shared)
        self.terminal = str(options["terminal"])
        self.folder = Path(keep or tempfile.mkdtemp(prefix="mobi-"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                f"keep={str(keep)!r} is no folder to write to: {error.strerror}") from error
        self._temporary = keep is None
        self.log = self.folder / "terminal.log"
        # Digits are "#" but where the panel asked for something that may be written down.
        self.keys_pressed: list[str] = []
        self._frame: list[int] | None = None  # what is on the panel, as pixels and as text,
        self._frame_rows: list[str] = []
        self._frame_us = 0  # and since when
        self._frames: deque[list[str]] = deque(maxlen=_FRAMES)  # what was there before
        self._outside: Outside | None = None
        self._abroad: abroad.Abroad | None = None
        journal = Nor(journal_kib * 1024, unit=unit, seed=seed)
        vault = Nor(8 * 1024, unit=unit, seed=seed + 1)
        self.rig = Rig(self.kernel, journal, vault, seed)
        self.board = boards.make(board, self.kernel, self.rig, self.log)
        self.rig.board = self.board
        # Set by whoever runs more than one bench at a time (`fleet`): lets this one's time pass.
        self.pace: Pace | None = None
        self.line = self.rig.line
        self.oracle = Oracle(self)
        try:
            if not self._take_over() and provision:
                provisioning.provision(journal, vault, options)
            self._connect(line)
            if state is not None:
                how = {"seed": seed, "settings": settings, "language": language,
                       "journal_kib": journal_kib, "unit": unit, "amounts": amounts}
                states.enter(self, state, how)
            if notices:
                self._courier = Courier(self.host, notices, log.warning)
                self._courier.start()
        except BaseException:
            self.close()
            raise

    def _options(self, settings: dict[str, Any] | None, shared: bool) -> dict[str, Any]:
        named = {"merchant_name": provisioning.MERCHANT_NAME[self.language]}
        options = {**provisioning.DEFAULTS, **named, **(settings or {})}
        options["language"] = LANGUAGES.index(self.language)
        if shared and "terminal" not in (settings or {}):
            number = _shared.get(self.host, 0) + 1
            _shared[self.host] = number
            options["terminal"] = f"{number:08d}"
        if shared and options["terminal"] not in self.host.terminals:
            self.host.add_terminal(
                options["terminal"], options["merchant"], bytes.fromhex(options["tmk"])
            )
        return options

    def _take_over(self) -> bool:
        # Flash images that lie in the folder to keep.
        images = [self.folder / name for name in IMAGES]
        if not all(image.exists() for image in images):
            return False
        for nor, image in zip(self.rig.flash, images, strict=True):
            data = image.read_bytes()
            if len(data) != nor.size:
                raise WrongUse(
                    f"{image} has {len(data)} bytes, the flash here {nor.size}. Nothing changed; "
                    + "give the same journal_kib as when it was kept, or another folder."
                )
            nor.load(data)
        return True

    def _connect(self, line: str | None) -> None:
        number = random.Random(f"line {self.seed}").getrandbits(32)
        if line is None:
            self.line.far = HostEnd(self.line, self._handle, LATENCY_S, number)
            return
        if line.startswith(abroad.PREFIX):
            self._abroad = abroad.Abroad(
                line.removeprefix(abroad.PREFIX), self.host.trace, self.line.say)
            self.line.far = HostEnd(
                self.line, self._ask_abroad, 0.0, number, self._abroad.ready)
            return
        port: Port = Pty() if line == "pty" else SerialPort(line, wiring.HOST_BAUD)
        self.line.far = self._outside = Outside(self.line, port)

    @property
    def line_port(self) -> str:
        """The port that leads to the terminal's line, with ``line="pty"``."""
        if self._outside is None:
            raise WrongUse('no program can open this line; one with a name is Bench(line="pty")')
        return self._outside.port.name

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Switch off; keep the flash images or remove the private folder. May be called twice."""
        self.board.power_off()
        if self._courier is not None:
            self._courier.stop()
            self._courier = None
        if self._outside is not None:
            self._outside.close()
            self._outside = None
        if self._abroad is not None:
            self._abroad.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self.folder.is_dir():
            self._save_images(self.folder)

    @property
    def stands_alone(self) -> bool:
        """Is everything around the terminal in this process, and nobody else's?"""
        return not (self._shared or self._courier or self._outside or self._abroad)

    def copied(self) -> None:
        """This process is a copy of the bench's own: what belongs to the original is left alone."""
        self.oracle.count_anew()
        assert isinstance(self.board, boards.CopiedBoard)
        folder = Path(tempfile.mkdtemp(prefix="mobi-"))
        if self.log.exists():
            shutil.copy(self.log, folder)
        self.folder, self._temporary = folder, True
        self.log = folder / self.log.name
        self.board.copied(self.log)

    def _ask_abroad(self, message: bytes) -> list[Answer]:
        assert self._abroad is not None
        return self._abroad.handle(message, self.clock.now)

    def _handle(self, message: bytes) -> list[Answer]:
        answers = self.host.handle(message, self.clock.now)
        if self._courier is not None:
            self._courier.poke()
        return answers

    # -- power ---------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Is the terminal on?"""
        return self.board.powered

    def flash_ops(self) -> int:
        """Programs and erases of the flash so far, as ``power_cut`` counts them."""
        return sum(nor.ops for nor in self.rig.flash)

    @property
    def crashes(self) -> list[str]:
        """When the firmware ended or hung by itself: it must never do that."""
        return self.rig.crashes

    def expect_crashes(self) -> None:
        """This test made the firmware crash on purpose: the plugin shall not call it a failure."""
        self.rig.crashes.clear()

    @property
    def lies(self) -> list[str]:
        """Sentences on panel and paper that the books contradict (`host_tools.bench.oracle`)."""
        return self.oracle.violations

    def expect_lies(self, reason: str) -> None:
        """This test makes somebody lie on purpose: from now on no sentence is compared with the
        books, and what was found is forgotten. ``reason``: who lies, and how."""
        if not reason:
            raise WrongUse("expect_lies needs the reason: who lies, and how?")
        self.oracle.excuse = reason
        self.oracle.violations.clear()

    def power_on(self) -> None:
        """Switch on; returns when the boot is over and the panel is quiet. On already: nothing."""
        if self.powered:
            return
        for nor in self.rig.flash:
            nor.revive()
        self.board.power_on()
        self._settle()
        # Quiet is not booted: the terminal may be waiting for a printer that says nothing.
        self._run(self.kernel.now_us + PATIENCE_US, self._booted)
        if self.board.halted:
            raise Timeout(self._report("waited for the terminal to boot"))

    def power_cut(self, at_flash_op: int | None = None, torn: bool | str = True) -> None:
        """Cut the power now, or at the n-th flash operation from now (0 is the next one).

        ``torn``: the operation is cut in its middle and leaves what a real chip leaves, by the
        seed or in one of the ways of `nor.MODES` by name; false: it does not begin. ``power_on``
        brings the terminal back. While the power is off, keys and cards do nothing, and a wait
        ends at once. ``power_cut()`` forgets a cut that waits.
        """
        if at_flash_op is not None:
            if at_flash_op < 0:
                raise WrongUse(f"power_cut(at_flash_op={at_flash_op}): 0 is the next operation")
            if isinstance(torn, str) and torn not in MODES:
                raise WrongUse(f"power_cut(torn={torn!r}): True, False or one of {MODES}")
            mode = torn if isinstance(torn, str) else None
            self.rig.flash[0].cut_after(at_flash_op, bool(torn), self.rig.flash, mode)
            return
        self.board.power_off()
        self.rig.panel.power_off()

    def disarm(self) -> None:
        """Forget every fault that waits for its moment: cuts of power and line, lost messages."""
        for nor in self.rig.flash:
            nor.disarm()
        self.line.disarm()

    # -- hands ---------------------------------------------------------------------------------

    def press(self, *names: str) -> None:
        """Press keys one after the other: 0-9 ENTER CANCEL CLEAR BACK UP DOWN FN VOID LAST REFUND.

        The Chinese words on the keys will do, too. An unknown name presses nothing at all.
        ``NoPower`` for a key while the terminal is off.
        """
        for name in [self.key_name(name) for name in names]:
            self._needs_power(f"press({name!r})")
            self.touch(name)
            self._settle()

    def _needs_power(self, what: str) -> None:
        if not self.powered:
            raise NoPower(self._report(f"{what}: the terminal is off and feels nothing"))

    def key_name(self, name: str) -> str:
        """The key's own name for any of its names; ``NoSuchKey`` lists what there is."""
        name = _KEY_WORDS.get(name, name.upper())
        if len(name) > 1 and name.isdigit():
            raise NoSuchKey(f"no key {name!r}: press one key at a time, or type({name!r})")
        self.rig.keypad.where(name)
        return name

    def touch(self, name: str) -> None:
        """A finger on a key for a moment, without waiting for what comes of it (see ``press``)."""
        name = self.key_name(name)
        secret = name.isdigit() and not menu.is_open(self.screen())
        self.keys_pressed.append("#" if secret else name)
        self.rig.touch(name, True)
        self.kernel.after(HOLD_US, lambda: self.rig.touch(name, False))

    def type(self, digits: str) -> None:
        """Press the digit keys of ``digits``."""
        if not (digits.isascii() and digits.isdigit()) and digits:
            raise WrongUse(
                f"type({digits!r}): digits only. An amount is typed in 分: 12.34 is type('1234')"
            )
        self.press(*digits)

    def swipe(self, pan: str, expiry: str | None = None, **options: Any) -> None:
        """Swipe a card. ``pan``: its number, or the name of a test card (`mobi host --cards`).

        ``expiry``: YYMM; that of the test card, else 3012. ``options``: ``damage=`` and others of
        ``reader.Reader.swipe``.
        """
        data = self.swipe_bytes(pan, expiry, **options)
        self._needs_power("swipe")
        self.rig.aux(data)
        self._settle()

    def swipe_bytes(self, pan: str, expiry: str | None = None, **options: Any) -> bytes:
        """What the reader sends for such a swipe (see ``swipe``)."""
        if pan in _CARDS:
            card = _CARDS[pan]
            pan, expiry = card.pan, expiry or card.expiry
        elif not pan.isdigit():
            raise WrongUse(f"swipe({pan!r}): a card number, or one of {', '.join(_CARDS)}")
        return self.rig.reader.swipe(pan, expiry or "3012", **options)

    def scan(self, text: str) -> None:
        """Scan a code with the scanner on the reader's line."""
        self._needs_power("scan")
        self.rig.aux(self.rig.reader.scan(text))
        self._settle()

    # -- eyes ----------------------------------------------------------------------------------

    def screen(self) -> list[str]:
        """The rows of text on the panel, read back from its pixels."""
        return self.rig.panel.text()

    def shows(self, text: str) -> bool:
        """Is ``text`` on the panel? It may be broken over rows; spaces do not count."""
        return self.rig.panel.shows(text)

    def screenshot(self, path: str | Path, **options: Any) -> None:
        """Write a picture of the panel as PNG. ``scale``: dots a pixel; ``bezel``: the module."""
        self.rig.panel.png(path, **options)

    def read(self) -> list[str]:
        """The whole text of a screen that scrolls (↓ in its title): DOWN until there is no more.

        The screen stays at its end.
        """
        rows = self.screen()
        while self.screen()[0][-1:] in ("↓", "↕"):
            before = self.screen()
            self.press("DOWN")
            after = self.screen()
            if after == before:
                break
            rows += after[_overlap(before[1:], after[1:]) + 1 :]
        return rows

    def paper(self) -> str:
        """Everything the printer has printed, as text."""
        return self.rig.paper.text()

    def receipts(self) -> list[str]:
        """The text of each piece of paper that was torn off or cut."""
        return self.rig.paper.receipts

    def paper_png(self, path: str | Path, **options: Any) -> None:
        """Write a picture of the paper; of one piece with ``receipt`` (0 is the first)."""
        self.rig.paper.png(path, **options)

    # -- waiting -------------------------------------------------------------------------------

    def wait_for(self, text: str, timeout: float = 90) -> None:
        """Let time pass until ``text`` is on the panel; it may be broken over rows.

        ``Timeout`` after ``timeout`` virtual seconds, with the power off at once.
        """
        self.wait_until(lambda: self.shows(text), timeout, f"{text!r} on the panel")

    def wait_until(
        self, condition: Callable[[], bool], timeout: float = 90, what: str = "a condition"
    ) -> None:
        """Let time pass until ``condition()`` holds. ``what`` says in the report what it was."""
        if condition():
            return
        began = self.kernel.now_us
        self._run(began + round(timeout * 1e6), lambda: condition() or not self.powered)
        if not condition():
            waited = (self.kernel.now_us - began) / 1e6
            raise Timeout(self._report(f"waited {waited:g} virtual seconds for {what}"))

    @property
    def standing_s(self) -> float:
        """Virtual seconds since the panel changed last."""
        self._look()
        return (self.kernel.now_us - self._frame_us) / 1e6

    @property
    def leads_to(self) -> str:
        """Where the line leads: a port, HOST:PORT, or "" for ``host``, whose books are then the
        other side of the journal."""
        if self._abroad is not None:
            return self._abroad.name
        return "" if self._outside is None else self._outside.port.name

    @property
    def is_real_time(self) -> bool:
        """Does a program outside have the line, so that time goes as fast as on the wall?"""
        return self._outside is not None

    def run_to(self, until_us: int) -> None:
        """Let time pass until the kernel's clock stands at ``until_us`` (microseconds)."""
        self._run(until_us)

    def _run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        def look() -> bool:
            # Asked whenever the terminal sleeps.
            self._look()
            self.oracle.look()
            return stop is not None and stop()

        self._run_seen(until_us, look)

    def _look(self) -> None:
        # Notice what stands on the panel, for a report that tells how it came to this.
        frame = self.rig.panel.pixels()
        if frame is self._frame:
            return
        self._frame = frame
        rows = self.screen()
        if rows == self._frame_rows:
            return
        if self.kernel.now_us - self._frame_us >= _READABLE_US and any(self._frame_rows):
            seen = _readable(self._frame_rows)
            # Of a countdown its last screen is enough.
            if self._frames and _COUNTED.sub("", "".join(self._frames[-1])) == _COUNTED.sub(
                    "", "".join(seen)):
                self._frames.pop()
            self._frames.append(seen)
        self._frame_rows = rows
        self._frame_us = self.kernel.now_us

    def _run_seen(self, until_us: int, stop: Callable[[], bool]) -> None:
        outside = self._outside
        if self.pace is not None:
            self.pace(self, until_us, stop)
            return
        if outside is None:
            self.board.run(until_us, stop)
            return
        # A program outside takes part: virtual time may not run ahead of its time.
        while True:
            outside.pump()
            self.board.run(min(until_us, outside.now_us()), stop)
            if self.kernel.now_us >= until_us or stop():
                return
            outside.wait(min(self.kernel.next_at(), self.board.next_wake_at(), until_us))

    def _settle(self) -> None:
        self._run(self.kernel.now_us + PATIENCE_US, self._quiet)
        if not self._quiet():
            raise Timeout(self._report(
                f"waited {PATIENCE_US / 1e6:g} virtual seconds for the panel to come to rest"))

    def _booted(self) -> bool:
        if not self.powered or self.board.halted:
            return True
        return self._quiet() and "..." not in self.screen()[2]

    def _quiet(self) -> bool:
        if not self.powered:
            return True
        soon = self.kernel.now_us + QUIET_US
        return self.kernel.next_at() > soon and self.board.next_wake_at() > soon

    def _report(self, what: str) -> str:
        self._look()
        lines = [what, "", "the panel shows:"]
        lines += [f"    |{row}|" for row in _readable(self.screen())]
        if self.screen()[0][-1:] in ("↓", "↕"):
            lines.append("    there is more below: press DOWN, or read()")
        if self._frames:
            lines += ["", "and before that, the newest last:"]
            lines += [f"    {' | '.join(row for row in rows if row)}" for rows in self._frames]
        lines += ["", f"power: {'on' if self.powered else 'off (power_on() brings it back)'}"]
        lines.append(f"line: {'cut (line.restore() mends it)' if self.line.is_cut else 'good'}")
        lines += [f"event: {event}" for event in self.rig.events[-5:]]
        lines += [f"line: {event}" for event in [*self.line.log[-3:], *self.line.armed]]
        lines += ["", "last keys: " + " ".join(self.keys_pressed[-20:])]
        lines += ["", "last messages:"] + [f"    {entry}" for entry in self.trace()[-6:]]
        lines += ["", "journal tail:"]
        lines += [f"    {txn}" for txn in self._journal_tail()]
        if self.log.exists() and self.log.stat().st_size:
            lines += ["", "terminal log:"]
            text = self.log.read_text(encoding="utf-8", errors="replace")
            lines += [f"    {line}" for line in text.splitlines()[-15:]]
        lines += ["", self.replay_hint()]
        return "\n".join(lines)

    def _journal_tail(self) -> list[str]:
        return [
            f"{t.kind} {t.trace:06d} batch {t.batch:06d} {t.amount / 100:.2f} {t.state}"
            for t in self.journal()[-4:]
        ] or ["(no transactions)"]

    def replay_hint(self) -> str:
        """How to have the same run again."""
        how = f"Bench(board={self.board.name!r}, seed={self.seed})"
        return f"replay: the same calls on {how} do the same; here it is {self.clock.seconds:.6f} s"

    # -- what the two ends know ------------------------------------------------------------------

    def journal(self) -> list[Transaction]:
        """The transactions in the terminal's journal, oldest first, by the independent decoder."""
        if self._reader is None:
            from host_tools.journal import Reader

            self._reader = Reader()
        return self._reader.transactions(bytes(self.rig.flash[wiring.JOURNAL].mem))

    def trace(self) -> list[Entry]:
        """The messages of this terminal, decoded and masked, as the acquirer saw them."""
        return [e for e in self.host.trace if e.terminal in (self.terminal, "")]

    # -- stories ---------------------------------------------------------------------------------

    def sign_on(self, operator: str = "01", password: str = "0000") -> None:
        """Log the operator in and sign on to the acquirer; ends on the idle screen.

        Where an operator is logged in already, or signed on, only what is missing is done.
        """
        menu.sign_on(self, operator, password)

    def to_idle(self) -> None:
        """Let messages pass until the idle screen is there."""
        menu.to_idle(self)

    def choose(self, label: str) -> None:
        """Walk from the idle screen, or from the menu that is open, to the item ``label``."""
        menu.choose(self, label)

    def measure(self) -> dict[str, Any]:
        """Heap (bytes) and loop (us), as the terminal itself measures them; names are text."""
        measured = self.board.measure().items()
        return {name: int(value) if value.isdigit() else value for name, value in measured}

    def save(self, folder: str | Path) -> None:
        """Write flash images, paper, screen, trace and how to replay to ``folder``.

        Without secrets: of keys that were digits of a PIN, a password or a card number only their
        count is told, and there is no picture while a card number that was keyed is on the panel.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._save_images(folder)
        (folder / "paper.txt").write_text(self.paper(), encoding="utf-8")
        rows = _readable(self.screen())
        if rows == self.screen():
            self.screenshot(folder / "screen.png")
        (folder / "screen.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
        trace = "\n".join(entry.text() for entry in self.trace())
        (folder / "trace.txt").write_text(trace + "\n", encoding="utf-8")
        keys = f"keys: {' '.join(self.keys_pressed)}"
        lines = [self.replay_hint(), keys, *self.rig.events, *self.line.log]
        (folder / "replay.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self.log.exists():
            log = self.log.read_bytes()
            (folder / "terminal.log").write_bytes(log)

    def evidence(self, trace: int, folder: str | Path, batch: int | None = None) -> Path:
        """Write all that is known about a transaction to ``folder``, a new or empty one: what
        `mobi evidence` makes, with pictures of its slips. The path of its page.

        ``trace``: its voucher number, of the newest batch that has it or of ``batch``.
        ``LookupError`` when nobody knows it.
        """
        from host_tools.evidence import PAGE, Sources, collect, write

        own = not self.leads_to
        sources = Sources(
            journal=bytes(self.rig.flash[wiring.JOURNAL].mem),
            ledger=self.host.ledger() if own else None, messages=self.trace() if own else None,
            receipts=[(text, functools.partial(self._slip_png, number))
                      for number, text in enumerate(self.receipts())])
        sources.add_file("journal", IMAGES[wiring.JOURNAL], sources.journal)
        if own:
            sources.add_file("host", self.host.database)
        found, pictures = collect(
            sources, trace, batch, self.terminal, self.clock.now, self.language)
        write(found, pictures, Path(folder))
        return Path(folder) / PAGE

    def _slip_png(self, number: int) -> bytes:
        picture = io.BytesIO()
        self.rig.paper.png(picture, receipt=number)
        return picture.getvalue()

    def _save_images(self, folder: Path) -> None:
        for name, nor in zip(IMAGES, self.rig.flash, strict=True):
            (folder / name).write_bytes(bytes(nor.mem))


# What a countdown, a clock or a field that is being filled changes.
_COUNTED = re.compile(r"[\d\s#*]")
_CARD_NUMBER = re.compile(r"\d{13,19}")


def _readable(rows: list[str]) -> list[str]:
    # The rows of a panel as they may be written down: without a card number that is being keyed
    # into the field in the last row, or was.
    if rows[-1].strip().isdigit() and not menu.is_open(rows):
        rows = [*rows[:-1], re.sub(r"\d", "#", rows[-1])]
    return [_CARD_NUMBER.sub(lambda found: "#" * len(found[0]), row) for row in rows]


def _overlap(before: list[str], after: list[str]) -> int:
    # How many rows at the end of ``before`` are the rows at the beginning of ``after``.
    for size in range(len(after), 0, -1):
        if before[-size:] == after[:size]:
            return size
    return 0
