"""Runs the firmware in this very process, under CPython, on `boards/virtual`.

The same calls give the same pixels, and the same bytes on flash, line and paper, as on the unix
board with the same seed, several times as fast: there is no other process to talk to. What only
MicroPython can tell is not to be had here: its heap, its integers, its idea of Python. So the
firmware is tested on the unix board, and this one is for quantity.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.nor import PowerCut
from host_tools.places import ROOT

if TYPE_CHECKING:
    from host_tools.bench.rig import Rig


@cache
def firmware(name: str) -> Any:
    """The module ``name`` of the firmware, e.g. "mobi.terminal", under CPython."""
    for folder in ("boards/cpython", "firmware"):
        if str(ROOT / folder) not in sys.path:
            sys.path.append(str(ROOT / folder))
    return importlib.import_module(name)


@cache
def _virtual() -> ModuleType:
    # By its path: every board has a module of the name ``board``.
    spec = importlib.util.spec_from_file_location(
        "mobi_virtual_board", ROOT / "boards" / "virtual" / "board.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class World:
    """What the virtual board leads to: the models of a rig. See `boards/virtual/board.py`.

    ``dead``: the power is off; whatever still runs of the firmware then ends at its next access.
    """

    def __init__(self, kernel: Kernel, rig: Rig, watchdog: Callable[[int], None]) -> None:
        self._kernel = kernel
        self._rig = rig
        self._watchdog = watchdog
        self._gone: type[BaseException] = _virtual().Gone
        self.born_us = kernel.now_us
        self.time_us = 0
        self.dead = False

    def catch_up(self) -> None:
        """Let everything happen that is due by the terminal's time, before it touches the world."""
        if self.dead:
            raise self._gone
        kernel = self._kernel
        now = self.born_us + self.time_us
        if kernel.next_at() <= now:
            kernel.run_due(now)
        elif kernel.now_us < now:
            kernel.now_us = now

    def _met(self) -> None:
        # The terminal waited for an answer.
        self.time_us = self._kernel.now_us - self.born_us

    def now_us(self) -> int:
        """Microseconds since power-on, as the terminal knows them."""
        return self.time_us

    def spend(self, us: int) -> None:
        """The processor is busy for ``us``."""
        self.time_us += us

    def i2c(self, address: int, data: bytes) -> bool:
        """An I2C write; True when a device acknowledged it."""
        self.catch_up()
        done = self._rig.i2c(address, data)
        self._met()
        return done

    def uart(self, port: int, data: bytes) -> None:
        """Bytes the terminal puts out."""
        self.catch_up()
        self._rig.uart(port, data)

    def pin(self, number: int, level: int) -> None:
        """An output that somebody listens to."""
        self.catch_up()
        self._rig.pin(number, level)

    def flash_read(self, region: int, sector: int, buffer: Any, offset: int) -> int:
        """0 or a negative errno."""
        self.catch_up()
        status = self._rig.flash_read(region, sector, buffer, offset)
        self._met()
        return status

    def flash_program(self, region: int, sector: int, data: bytes, offset: int) -> int:
        """0 or a negative errno."""
        return self._flash(lambda: self._rig.flash_program(region, sector, data, offset))

    def flash_erase(self, region: int, sector: int) -> int:
        """0 or a negative errno."""
        return self._flash(lambda: self._rig.flash_erase(region, sector))

    def _flash(self, operation: Callable[[], int]) -> int:
        self.catch_up()
        try:
            status = operation()
        except PowerCut:
            # Not through the firmware as an error that it could catch.
            self.dead = True
            raise self._gone from None
        self._met()
        return status

    def flash_geometry(self, region: int) -> tuple[int, int]:
        """(sectors, unit)."""
        chip = self._rig.flash[region]
        return chip.ioctl(4, 0), chip.unit

    def random(self, count: int) -> bytes:
        """Random bytes from the bench's seed."""
        self.catch_up()
        self._met()
        return self._rig.random.randbytes(count)

    def watchdog(self, timeout_ms: int) -> None:
        """Start it; 0: it is fed."""
        self.catch_up()
        self._watchdog(timeout_ms)


def board(kernel: Kernel, rig: Rig) -> Any:
    """A virtual board on which something else of the firmware than the terminal runs."""
    return _virtual().Board(World(kernel, rig, lambda timeout_ms: None))


class InProcess:
    """A terminal as objects of this process. It runs only while ``run`` is being called."""

    name = "inprocess"
    can_be_copied_at: tuple[str, ...] = ("power", "line")

    def __init__(self, kernel: Kernel, rig: Rig, log: Path) -> None:
        self.kernel = kernel
        self.rig = rig
        self.log = log
        self.powered = False
        self.halted = False
        self._world: World | None = None
        self._board: Any = None
        self._terminal: Any = None
        self._asleep = False
        self._wake_at = NEVER
        self._slept_from: int | None = None  # of the terminal's time; None while it is awake
        self._waiting: list[Callable[[], None]] = []  # what the terminal has not been told
        self._watchdog_us = 0
        self._fed_us = 0

    # -- power -----------------------------------------------------------------------------

    def power_on(self) -> None:
        """Begin; nothing has run yet when this returns."""
        if self.powered:
            return
        self.powered = True
        self.halted = self._asleep = False
        self._wake_at = NEVER
        self._slept_from = None
        self._waiting.clear()
        self._watchdog_us = 0
        self._terminal = None
        self._world = World(self.kernel, self.rig, self._feed)
        self._board = _virtual().Board(self._world)
        self.set_contacts(self.rig.keypad_pins())

    def power_off(self) -> None:
        """Cut the power: the firmware ends where it stands."""
        self._end()
        self.powered = False

    def copied(self, log: Path) -> None:
        """This is a copy of the bench's process, and the terminal in it one of the terminal."""
        self.log = log

    def _end(self) -> None:
        # Its coroutines are closed here, not some day by the collector.
        if self._world is not None:
            self._world.dead = True
        terminal, self._terminal = self._terminal, None
        self._board = self._world = None
        if terminal is None:
            return
        while True:
            try:
                terminal.loop.close()
                return
            except _virtual().Gone:
                pass  # a task wanted to tidy up on a board that has no power: on to the next

    def _stop(self, why: str) -> None:
        # The processor stands still; whatever has its own memory, like the panel, goes on.
        self._end()
        self.halted = self._asleep = True
        self._wake_at = NEVER
        self.rig.terminal_ended(why)

    def _feed(self, timeout_ms: int) -> None:
        # The terminal starts or (0) feeds its watchdog.
        if timeout_ms:
            self._watchdog_us = timeout_ms * 1000
        self._fed_us = self.kernel.now_us

    # -- time --------------------------------------------------------------------------------

    def run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Run the world to ``until_us``, or until ``stop()`` holds while the terminal sleeps."""
        while True:
            if self.powered and not self._asleep:
                self.go()
                continue
            if self._waiting and self.powered and not self.halted:
                self.resume()  # it came while the terminal was busy
                continue
            if stop is not None and stop():
                return
            self.kernel.run_due(min(self.next_wake_at(), self.kernel.next_at(), until_us))
            if not self.look() and self.kernel.now_us >= until_us:
                return

    def look(self) -> bool:
        """Do what is due at this time: the watchdog bites, or the terminal wakes up. Is it so?"""
        if not self.powered:
            return False
        if self.kernel.now_us >= self._bites_at():
            self.rig.watchdog_bit()
            self.power_off()
            self.power_on()
            return True
        if not self.halted and self.kernel.now_us >= self._wake_at:
            self.resume()
            return True
        return False

    def next_wake_at(self) -> int:
        """When the sleeping terminal wants to wake up, or its watchdog will wake it."""
        return min(self._wake_at, self._bites_at()) if self.powered else NEVER

    def _bites_at(self) -> int:
        return self._fed_us + self._watchdog_us + 1 if self._watchdog_us else NEVER

    def resume(self) -> None:
        """The sleep is over: something has come in, or it is time."""
        assert self._world is not None
        self._world.time_us = self.kernel.now_us - self._world.born_us
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()
        self._asleep = False

    def go(self) -> None:
        """Let the firmware run until it sleeps, or is gone."""
        global _running
        virtual = _virtual()
        _running = self
        try:
            self._turns()
        except virtual.Gone:
            self.power_off()
            self.rig.power_was_cut()
        except virtual.Reset:
            self.power_off()
            self.power_on()
        except Exception:  # noqa: BLE001  whatever the firmware ends with is told and logged
            self.say(traceback.format_exc())
            self._stop("ended by itself, exit code 1")

    def say(self, text: str) -> None:
        """Add to the log what the firmware says on its console."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text)

    def _turns(self) -> None:
        world, board = self._world, self._board
        assert world is not None
        if self._terminal is None:
            module = firmware("mobi.terminal")
            module.print = _print
            self._terminal = module.Terminal(board)
            self._terminal.start()
        loop, poll = self._terminal.loop, board.poll
        turn = loop.turn
        while True:
            # What `Loop.run` does, with the sleep left to the bench.
            if self._slept_from is None:
                while turn():
                    pass
                left = loop.until_next()
                self._slept_from = world.time_us
                until = world.born_us + world.time_us
                self._wake_at = NEVER if left is None else until + left * 1000
            if not poll.ready() and world.born_us + world.time_us < self._wake_at:
                world.catch_up()
                self._asleep = True
                return
            self._terminal.poller.sleep(0)
            loop.slept_us += world.time_us - self._slept_from
            self._slept_from = None

    # -- what the world does to the terminal ---------------------------------------------------

    def uart_in(self, port: int, data: bytes) -> None:
        """Bytes that have arrived at a UART of the terminal."""
        if self.powered and not self.halted:
            self._waiting.append(lambda: self._board.uarts[port].arrived(data))

    def set_contacts(self, pairs: list[tuple[int, int]]) -> None:
        """Which pins the switches of the keypad connect now."""
        if self.powered and not self.halted:
            self._waiting.append(lambda: self._board.pins.connect(pairs))

    def measure(self) -> dict[str, str]:
        """What the terminal measures of its loop; it has no heap of its own."""
        if self._terminal is None:
            return {}
        return {name: str(value) for name, value in self._terminal.measurements().items()}


_running: InProcess | None = None  # the one whose firmware runs just now


def _print(*words: object) -> None:
    # The firmware's ``print``.
    assert _running is not None
    _running.say(" ".join(map(str, words)) + "\n")
