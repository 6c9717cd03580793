"""The bench: one terminal with everything around it, driven from Python in virtual time.

    with Bench(board="unix", seed=1) as b:
        b.power_on()
        b.sign_on(operator="01", password="0000")
        b.swipe("6222021234567890128", expiry="3012")
        ...

Nothing happens between two calls. A call that gives the terminal something to do (a key, a card,
power) returns when the terminal has dealt with it and the panel is quiet; ``wait_for`` and
``clock.advance`` let virtual time pass. So a test needs no sleeps, and a run with the same calls and
the same seed is the same run.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from host_tools.acquirer import Acquirer
from host_tools.bench import menu, provisioning, wiring
from host_tools.bench.kernel import Kernel
from host_tools.bench.line import HostEnd
from host_tools.bench.nor import Nor
from host_tools.bench.rig import HOLD_US, Rig
from host_tools.bench.unix import UnixBoard

# The world is quiet when nothing has moved on a bus for so long and nothing is about to.
QUIET_US = 120_000
# How long a call waits at most for the quiet (a settlement of 500 transactions takes minutes).
PATIENCE_US = 900_000_000
START = datetime(2026, 11, 22, 9, 0, 0)
LATENCY_S = 0.05  # of the acquirer's network, one reply


class Timeout(AssertionError):
    """What a test waited for did not come. The text shows where the terminal stands."""


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
        self._bench._run(self._bench.kernel.now_us + int(seconds * 1e6))


class Bench:
    """A terminal on a board, its devices, its line and its acquirer.

    ``board``: "unix" (a MicroPython process). ``seed``: everything random comes from it.
    ``settings``: parameters of the terminal beside the usual ones, by name.
    ``language``: "zh" or "en". ``journal_kib``: size of the journal's flash region.
    ``unit``: how much the flash driver programs at once, 256 (rp2) or 1 (any length).
    ``host``: an ``Acquirer`` to share between benches; by default each bench has its own.
    """

    def __init__(
        self,
        board: str = "unix",
        seed: int = 1,
        *,
        settings: dict | None = None,
        language: str = "zh",
        journal_kib: int = 256,
        unit: int = 256,
        host: Acquirer | None = None,
        provision: bool = True,
        keep: str | Path | None = None,
    ) -> None:
        self.seed = seed
        self.language = language
        self.folder = Path(keep or tempfile.mkdtemp(prefix="mobi-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._temporary = keep is None
        self.log = self.folder / "terminal.log"
        self.kernel = Kernel()
        self.clock = Clock(self)
        self.host = host or Acquirer(seed=seed)
        options = dict(provisioning.DEFAULTS, **(settings or {}))
        options["language"] = {"zh": 0, "en": 1}[language]
        journal = Nor(journal_kib * 1024, unit=unit, seed=seed)
        vault = Nor(8 * 1024, unit=unit, seed=seed + 1)
        if provision:
            provisioning.provision(journal, vault, options)
        self.rig = Rig(self.kernel, journal, vault, seed)
        self.board = UnixBoard(self.kernel, self.rig, self.log)
        self.rig.board = self.board
        self.line = self.rig.line
        self.line.far = HostEnd(self.line, self._handle, LATENCY_S)
        self.keys_pressed: list[str] = []

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Switch off and remove the private folder."""
        self.board.power_off()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _handle(self, message: bytes) -> list[tuple[float, bytes]]:
        return [(answer.after_s, answer.message) for answer in self.host.handle(message, self.clock.now)]

    # -- power ---------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Is the terminal on?"""
        return self.board.powered

    def power_on(self) -> None:
        """Switch on; returns when the boot is over and the panel is quiet."""
        for nor in self.rig.flash:
            nor.revive()
        self.board.power_on()
        self._settle()

    def power_cut(self, at_flash_op: int | None = None, torn: bool = True) -> None:
        """Cut the power now, or at the n-th flash operation from now (0 is the next one).

        ``torn``: the operation is cut in its middle and leaves what a real chip leaves; otherwise
        it does not begin. ``power_on`` brings the terminal back.
        """
        if at_flash_op is not None:
            for nor in self.rig.flash:
                nor.cut_after(at_flash_op, torn, shared=self.rig.flash)
            return
        self.board.power_off()
        self.rig.panel.power_off()

    # -- hands ---------------------------------------------------------------------------------

    def press(self, *names: str) -> None:
        """Press keys one after the other: 0-9 ENTER CANCEL CLEAR BACK UP DOWN FN VOID LAST REFUND."""
        for name in names:
            self.keys_pressed.append(name)
            self.rig.touch(name, True)
            self.kernel.after(HOLD_US, lambda name=name: self.rig.touch(name, False))
            self._settle()

    def type(self, digits: str) -> None:
        """Press the digit keys of ``digits``."""
        self.press(*digits)

    def swipe(self, pan: str, expiry: str = "3012", **options) -> None:
        """Swipe a card with this number and expiry (YYMM)."""
        self.rig.aux(self.rig.reader.swipe(pan, expiry, **options))
        self._settle()

    def scan(self, text: str) -> None:
        """Scan a code with the scanner on the reader's line."""
        self.rig.aux(self.rig.reader.scan(text))
        self._settle()

    # -- eyes ----------------------------------------------------------------------------------

    def screen(self) -> list[str]:
        """The rows of text on the panel, read back from its pixels."""
        return self.rig.panel.text()

    def shows(self, text: str) -> bool:
        """Is ``text`` on the panel? It may be broken over rows; spaces do not count."""
        wanted = text.replace(" ", "")
        rows = [row.replace(" ", "") for row in self.screen()]
        return wanted in "\n".join(rows) or wanted in "".join(rows)

    def screenshot(self, path: str | Path, **options) -> None:
        """Write a picture of the panel."""
        self.rig.panel.png(path, **options)

    def paper(self) -> str:
        """Everything the printer has printed, as text."""
        return self.rig.paper.text()

    def paper_png(self, path: str | Path, **options) -> None:
        """Write a picture of the paper."""
        self.rig.paper.png(path, **options)

    # -- waiting -------------------------------------------------------------------------------

    def wait_for(self, text: str, timeout: float = 90) -> None:
        """Let time pass until ``text`` is on the panel; ``Timeout`` after ``timeout`` virtual seconds."""
        self.wait_until(lambda: self.shows(text), timeout, f"{text!r} on the panel")

    def wait_until(self, condition: Callable[[], bool], timeout: float = 90, what: str = "") -> None:
        """Let time pass until ``condition()`` holds."""
        if condition():
            return
        self._run(self.kernel.now_us + int(timeout * 1e6), stop=condition)
        if not condition():
            raise Timeout(self._report(what or "a condition", timeout))

    def _run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        self.board.run(until_us, stop)

    def _settle(self) -> None:
        self.board.run(self.kernel.now_us + PATIENCE_US, self._quiet)

    def _quiet(self) -> bool:
        now = self.kernel.now_us
        if not self.board.powered:
            return True
        soon = now + QUIET_US
        return self.kernel.next_busy_at() > soon and self.board.next_wake_at() > soon

    def _report(self, what: str, seconds: float) -> str:
        lines = [f"waited {seconds:g} virtual seconds for {what}", "", "the panel shows:"]
        lines += [f"    |{row}|" for row in self.screen()]
        lines += ["", f"power: {'on' if self.powered else 'off'}; seed {self.seed}"]
        lines += [f"event: {event}" for event in self.rig.events[-5:]]
        lines += ["", "last keys: " + " ".join(self.keys_pressed[-20:])]
        lines += ["", "last messages:"] + [f"    {entry}" for entry in self.trace()[-6:]]
        lines += ["", "journal tail:"]
        lines += [f"    {entry}" for entry in self.journal()[-4:]]
        if self.log.exists():
            lines += ["", "terminal log:"]
            lines += [f"    {line}" for line in self.log.read_text().splitlines()[-15:]]
        return "\n".join(lines)

    # -- what the two ends know ------------------------------------------------------------------

    def journal(self) -> list:
        """The transactions in the terminal's journal, by the independent decoder."""
        from host_tools.journal import decode

        return decode(bytes(self.rig.flash[wiring.JOURNAL].mem)).transactions

    def trace(self) -> list:
        """The decoded messages as the acquirer saw them."""
        return list(self.host.trace)

    # -- stories ---------------------------------------------------------------------------------

    def sign_on(self, operator: str = "01", password: str = "0000") -> None:
        """Log the operator in and sign on to the acquirer; ends on the idle screen."""
        if self.shows("操作员登录") or self.shows("Log in"):
            self.type(operator)
            self.press("ENTER")
            self.type(password)
            self.press("ENTER")
        self.to_idle()

    def to_idle(self) -> None:
        """Let messages pass until the idle screen is there."""
        menu.to_idle(self)

    def choose(self, label: str) -> None:
        """Walk from the idle screen, or from the menu that is open, to the item ``label``."""
        menu.choose(self, label)

    def measure(self) -> dict[str, float]:
        """Heap and loop, as the terminal itself measures them."""
        return {name: float(value) for name, value in self.board.measure().items()}

    def save(self, folder: str | Path) -> None:
        """Write flash images, receipts, screen and trace to ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, nor in zip(("journal.bin", "vault.bin"), self.rig.flash, strict=True):
            (folder / name).write_bytes(bytes(nor.mem))
        (folder / "paper.txt").write_text(self.paper(), encoding="utf-8")
        self.screenshot(folder / "screen.png")
        (folder / "trace.json").write_text(
            json.dumps([str(entry) for entry in self.trace()], ensure_ascii=False, indent=1),
            encoding="utf-8",
        )
