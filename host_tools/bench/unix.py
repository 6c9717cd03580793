"""Runs the firmware in a MicroPython process and serves the other end of its bus."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from host_tools import micropython
from host_tools.bench import byte_code
from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.nor import PowerCut
from host_tools.places import ROOT

if TYPE_CHECKING:
    from host_tools.bench.rig import Rig

# What a bare Pico has free (237 kB) in the larger objects of the 64-bit port. The byte code, 425 kB
# and frozen on a board, lies on the heap here, with the holes that compiling it leaves: below
# 900 kB no 2.5 kB were left in one piece.
HEAP = "1200k"

# A terminal that has said nothing for so long in real time hangs in a loop of its own.
_HANGS_S = 60.0

_OFTEN = 4  # reads of one sector

_HEAD = struct.Struct("<HBQ")


class UnixBoard:
    """A terminal as a MicroPython process. It runs only while ``run`` is being called."""

    name = "unix"
    can_be_copied_at: tuple[str, ...] = ("power",)  # the terminal's own process is not copied along

    def __init__(self, kernel: Kernel, rig: Rig, log: Path, heap: str = HEAP) -> None:
        self.kernel = kernel
        self.rig = rig
        self.log = log
        self.heap = heap
        self.powered = False
        self.measured: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._read = bytearray()  # from the socket, not yet looked at
        self._last_read = (0, 0)  # region and sector
        self._again = 0  # reads of it since, without a sleep between them
        self._panel_is_plugged = True  # as the terminal knows it
        self._asleep = False
        self.halted = False  # the firmware ended or hangs; only the watchdog can help
        self._wake_at = NEVER
        self._until_us = 0  # of the `run` that is going on
        self._born_us = 0
        self._waiting = bytearray()  # events the terminal has not been told
        self._watchdog_us = 0
        self._fed_us = 0
        self._handlers = {
            ord("i"): self._i2c,
            ord("I"): self._i2c_again,
            ord("u"): self._uart,
            ord("p"): self._pin,
            ord("r"): self._flash_read,
            ord("R"): self._flash_reads,
            ord("g"): self._flash_program,
            ord("e"): self._flash_erase,
            ord("f"): self._flash_geometry,
            ord("w"): self._watchdog,
            ord("s"): self._sleep,
            ord("t"): lambda body: None,  # the clock is what it brings
            ord("n"): self._random,
            ord("x"): self._reset,
            ord("m"): self._measurements,
        }

    # -- power -----------------------------------------------------------------------------

    def power_on(
        self, script: str | None = None, *args: str, console: int | None = None
    ) -> None:
        """Start the process; nothing has run yet when this returns.

        ``script``: something else than the terminal, with ``args``.
        ``console``: a terminal's file descriptor; MicroPython's prompt is there instead of a
        running ``script``.
        """
        if self.powered:
            return
        command = micropython.command()
        ours, theirs = socket.socketpair()
        env = dict(
            os.environ,
            MICROPYPATH=f"{byte_code.path()}:.frozen",
            MOBI_BUS=str(theirs.fileno()),
        )
        if console is not None:
            env["MOBI_BUS_AT_ONCE"] = "1"
        program = ["-m", "main"] if script is None else [str(ROOT / script), *args]
        if console is not None:
            program = []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-X", f"heapsize={self.heap}", *program],
                env=env, pass_fds=[theirs.fileno()], cwd=ROOT,
                stdin=subprocess.DEVNULL if console is None else console,
                stdout=log if console is None else console,
                stderr=log if console is None else console,
            )
        theirs.close()
        ours.settimeout(_HANGS_S if console is None else None)  # a person may think
        self._socket = ours
        self.powered = True
        self._asleep = False
        self.halted = False
        self._wake_at = NEVER
        self._waiting.clear()
        self._read.clear()
        self._watchdog_us = 0
        self._born_us = self.kernel.now_us
        self.set_contacts(self.rig.keypad_pins())

    def power_off(self) -> None:
        """Cut the power: the process is gone at once, whatever it was doing."""
        self._kill()
        self.powered = False

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def copied(self, log: Path) -> None:
        """This is a copy of the bench's process: the terminal belongs to the original."""
        self.log = log
        if self._process is not None:
            self._process.returncode = 0  # it is not ours to wait for
        self._process = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ending(self) -> str:
        assert self._process is not None
        return f"ended by itself, exit code {self._process.wait()}"

    def _stop(self, why: str) -> None:
        # The processor stands still; whatever has its own memory, like the panel, goes on.
        self._kill()
        self.halted = self._asleep = True
        self._wake_at = NEVER
        self.rig.terminal_ended(why)

    # -- time --------------------------------------------------------------------------------

    def run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Run the world to ``until_us``, or until ``stop()`` holds while the terminal sleeps."""
        self._until_us = until_us
        while True:
            if self.powered and not self._asleep:
                self._serve()
                continue
            if self._waiting and self.powered and not self.halted:
                self._resume()  # it came while the terminal was busy
                continue
            if stop is not None and stop():
                return
            wake_at = self.next_wake_at()
            self.kernel.run_due(min(wake_at, self.kernel.next_at(), until_us))
            if self.powered and self.kernel.now_us >= self._bites_at():
                self.rig.watchdog_bit()
                self.power_off()
                self.power_on()
            elif self.powered and not self.halted and self.kernel.now_us >= wake_at:
                self._resume()
            elif self.kernel.now_us >= until_us:
                return

    def next_wake_at(self) -> int:
        """When the sleeping terminal wants to wake up, or its watchdog will wake it."""
        return min(self._wake_at, self._bites_at()) if self.powered else NEVER

    def _bites_at(self) -> int:
        return self._fed_us + self._watchdog_us + 1 if self._watchdog_us else NEVER

    # -- what the world does to the terminal ---------------------------------------------------

    def uart_in(self, port: int, data: bytes) -> None:
        """Bytes that have arrived at a UART of the terminal."""
        if self.powered:
            self._waiting += struct.pack("<BHB", ord("u"), len(data) + 1, port) + data

    def set_contacts(self, pairs: list[tuple[int, int]]) -> None:
        """Which pins the switches of the keypad connect now."""
        if self.powered:
            body = bytes(number for pair in pairs for number in pair)
            self._waiting += struct.pack("<BH", ord("c"), len(body)) + body

    def measure(self) -> dict[str, str]:
        """Ask the terminal for its measurements of heap and loop; none when it is off."""
        self.measured = {}
        if not self.powered:
            return self.measured
        self._waiting += struct.pack("<BH", ord("m"), 0)
        self.run(self.kernel.now_us + 1000)
        return self.measured

    # -- the bus -----------------------------------------------------------------------------

    def _serve(self) -> None:
        # Until the terminal sleeps, or is gone.
        try:
            while self.powered and not self._asleep:
                self._serve_one()
        except PowerCut:
            self.power_off()
            self.rig.power_was_cut()
        except TimeoutError:
            self._stop(f"hangs: silent for {_HANGS_S:g} real seconds")
        except (EOFError, ConnectionError):
            self._stop(self._ending())

    def _serve_one(self) -> None:
        read = self._read
        while len(read) < _HEAD.size:
            self._read_more()
        size, kind, at_us = _HEAD.unpack_from(read)
        end = _HEAD.size + size
        while len(read) < end:
            self._read_more()
        body = bytes(read[_HEAD.size : end])
        del read[:end]
        self.kernel.run_due(self._born_us + at_us)
        self._handlers[kind](body)

    def _read_more(self) -> None:
        assert self._socket is not None
        more = self._socket.recv(65536)
        if not more:
            raise EOFError
        self._read += more

    def _answer(self, kind: int, body: bytes = b"") -> None:
        assert self._socket is not None
        self._socket.sendall(_HEAD.pack(len(body), kind, self.kernel.now_us - self._born_us) + body)

    def _resume(self) -> None:
        if self._panel_is_plugged != self.rig.panel.is_plugged:
            self._panel_is_plugged = not self._panel_is_plugged
            self._waiting += struct.pack("<BH", ord("k"), 0)
        events, self._waiting = bytes(self._waiting[:60000]), self._waiting[60000:]
        self._asleep = False
        # The world does nothing by itself before that, and nobody waits for the time.
        nothing_until = min(self.kernel.next_at(), self._until_us, self._bites_at())
        events = struct.pack("<Q", max(0, nothing_until - self._born_us)) + events
        try:
            self._answer(0, events)
        except ConnectionError:
            self._stop(self._ending())

    def _sleep(self, body: bytes) -> None:
        (until,) = struct.unpack("<Q", body)
        self._again = 0
        self._wake_at = min(self._born_us + until, NEVER)
        self._asleep = True

    def _i2c(self, body: bytes) -> None:
        self._answer(1 if self.rig.i2c(body[0], body[1:]) else 0)

    def _i2c_again(self, body: bytes) -> None:
        self.rig.i2c(body[0], body[1:])

    def _uart(self, body: bytes) -> None:
        self.rig.uart(body[0], body[1:])

    def _pin(self, body: bytes) -> None:
        self.rig.pin(body[0], body[1])

    def _flash_geometry(self, body: bytes) -> None:
        region = self.rig.flash[body[0]]
        self._answer(0, struct.pack("<HH", region.ioctl(4, 0), region.unit))

    def _flash_read(self, body: bytes) -> None:
        region, sector, offset, length = struct.unpack("<BHHH", body)
        data = bytearray(length)
        status = self.rig.flash_read(region, sector, data, offset)
        # Who reads a sector piece by piece, as a start-up does, gets it whole.
        self._again = self._again + 1 if (region, sector) == self._last_read else 0
        self._last_read = region, sector
        whole = self.rig.flash[region].steady(sector) if self._again >= _OFTEN else b""
        self._answer(-(status or 0), bytes(data) + whole)

    def _flash_reads(self, body: bytes) -> None:
        region, number, size = struct.unpack("<BHI", body)
        self.rig.flash[region].count_reads(number, size)

    def _flash_program(self, body: bytes) -> None:
        region, sector, offset = struct.unpack_from("<BHH", body)
        self._answer(-self.rig.flash_program(region, sector, body[5:], offset))

    def _flash_erase(self, body: bytes) -> None:
        region, sector = struct.unpack("<BH", body)
        self._answer(-self.rig.flash_erase(region, sector))

    def _watchdog(self, body: bytes) -> None:
        (timeout_ms,) = struct.unpack("<I", body)
        if timeout_ms:
            self._watchdog_us = timeout_ms * 1000
        self._fed_us = self.kernel.now_us

    def _random(self, body: bytes) -> None:
        self._answer(0, self.rig.random.randbytes(body[0]))

    def _reset(self, body: bytes) -> None:
        self.power_off()
        self.power_on()

    def _measurements(self, body: bytes) -> None:
        self.measured = dict(line.split("=", 1) for line in body.decode().splitlines())
