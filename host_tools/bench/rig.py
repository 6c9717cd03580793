"""The rig: all device models of one terminal, and which wire leads to which."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from host_tools.bench import wiring
from host_tools.bench.kernel import Kernel
from host_tools.bench.keypad import Keypad
from host_tools.bench.line import Line
from host_tools.bench.nor import Nor
from host_tools.bench.panel import Panel
from host_tools.bench.paper import Paper
from host_tools.bench.reader import Reader
from host_tools.bench.wires import Wire

if TYPE_CHECKING:
    from host_tools.bench.boards import Board

HOLD_US = 60_000  # how long a finger stays on a key
FIFO = 32  # bytes an RP2040 UART holds while interrupts are off
LINE_US = 60_000  # the printer needs for a line of paper
# How a contact bounces when it closes and when it opens: (microseconds, closed).
BOUNCE_DOWN = ((300, False), (800, True), (1500, False), (2200, True))
BOUNCE_UP = ((200, True), (700, False))


class Rig:
    """What surrounds the terminal's pins.

    ``board``: whoever runs the firmware; to be set before anything runs.
    """

    board: Board

    def __init__(self, kernel: Kernel, journal: Nor, vault: Nor, seed: int) -> None:
        self.kernel = kernel
        self.random = random.Random(seed)
        self.panel = Panel()
        self.keypad = Keypad()
        self.paper = Paper(line_us=LINE_US)
        self.reader = Reader()
        self.flash = [journal, vault]
        self.beeps = 0
        self.events: list[str] = []
        self.crashes: list[str] = []  # those events that no firmware should make
        self._paper_waits = False
        self.lost_bytes = 0  # arrived during a flash operation and did not fit into the FIFO
        self._fifo_room: int | None = None  # None: interrupts are on
        self.line = Line(kernel, wiring.HOST_BAUD, self._host_bytes, seed)
        self._to_paper = Wire(kernel, wiring.AUX_BAUD, self._at_paper)
        self._from_aux = Wire(kernel, wiring.AUX_BAUD, self._at_aux)

    # -- from the terminal ---------------------------------------------------------------------

    def i2c(self, address: int, data: bytes) -> bool:
        """An I2C write; True when a device acknowledged it."""
        return self.panel.i2c(address, data)

    def uart(self, port: int, data: bytes) -> None:
        """Bytes the terminal put out on a UART."""
        if port == wiring.UART_HOST:
            self.line.from_terminal(data)
        else:
            self._to_paper.send(data)

    def pin(self, number: int, level: int) -> None:
        """An output pin changed its level."""
        if number == wiring.BEEPER and level:
            self.beeps += 1

    def flash_read(self, region: int, sector: int, buffer: bytearray, offset: int) -> int:
        """0 or a negative errno, as the driver would get it."""
        return self.flash[region].readblocks(sector, buffer, offset) or 0

    def flash_program(self, region: int, sector: int, data: bytes, offset: int) -> int:
        """Program; may raise ``PowerCut``."""
        return self._timed(region, lambda nor: nor.writeblocks(sector, data, offset))

    def flash_erase(self, region: int, sector: int) -> int:
        """Erase; may raise ``PowerCut``."""
        return self._timed(region, lambda nor: nor.ioctl(6, sector))

    def _timed(self, region: int, operation: Callable[[Nor], int]) -> int:
        nor = self.flash[region]
        before = nor.typ_ns
        result = operation(nor)
        # The chip is busy and interrupts are off: nothing else happens on the board meanwhile.
        self._fifo_room = FIFO
        self.kernel.run_due(self.kernel.now_us + (nor.typ_ns - before) // 1000)
        self._fifo_room = None
        return result or 0

    def power_was_cut(self) -> None:
        """The flash model cut the power in the middle of an operation."""
        self._note("the power is cut in a flash operation")
        self.panel.power_off()

    def terminal_ended(self, why: str) -> None:
        """The firmware ended or hangs: it must never do that."""
        self._note(f"the firmware {why}")
        self.crashes.append(self.events[-1])

    def watchdog_bit(self) -> None:
        """The terminal did not feed its watchdog."""
        self._note("the watchdog resets the terminal")

    def _note(self, text: str) -> None:
        self.events.append(f"{self.kernel.now_us / 1e6:.3f} s: {text}")

    # -- to the terminal ---------------------------------------------------------------------

    def _host_bytes(self, data: bytes) -> None:
        self.board.uart_in(wiring.UART_HOST, self._through_fifo(data))

    def _through_fifo(self, data: bytes) -> bytes:
        if self._fifo_room is None:
            return data
        kept = data[: self._fifo_room]
        self._fifo_room -= len(kept)
        self.lost_bytes += len(data) - len(kept)
        return kept

    def _at_paper(self, data: bytes) -> None:
        self._from_aux.send(self.paper.feed(data, self.kernel.now_us))
        self._paper_goes_on()

    def _paper_goes_on(self) -> None:
        at = self.paper.next_at()
        if at is not None and not self._paper_waits:
            self._paper_waits = True
            self.kernel.at(at, self._paper_advances)

    def _paper_advances(self) -> None:
        self._paper_waits = False
        self._from_aux.send(self.paper.advance(self.kernel.now_us))
        self._paper_goes_on()

    def load_paper(self) -> None:
        """Put a new roll into the printer."""
        self.paper.load_paper()
        self._paper_advances()

    def close_cover(self) -> None:
        """Close the printer's cover."""
        self.paper.close_cover()
        self._paper_advances()

    def _at_aux(self, data: bytes) -> None:
        self.board.uart_in(wiring.UART_AUX, self._through_fifo(data))

    def aux(self, data: bytes) -> None:
        """Bytes from the card reader or the scanner."""
        self._from_aux.send(data)

    def keypad_pins(self) -> list[tuple[int, int]]:
        """The pins that the closed contacts of the keypad connect now."""
        contacts = self.keypad.contacts(self.kernel.now_us)
        return [(wiring.ROWS[row], wiring.COLUMNS[column]) for row, column in contacts]

    def touch(self, name: str, down: bool) -> None:
        """Press or release a key, by its name; its contact bounces."""
        now = self.kernel.now_us
        if down:
            self.keypad.press(name, BOUNCE_DOWN, now)
        else:
            self.keypad.release(name, BOUNCE_UP, now)
        self._contacts_move()

    def _contacts_move(self) -> None:
        self.board.set_contacts(self.keypad_pins())
        at = self.keypad.next_change_us()
        if at is not None:
            self.kernel.at(at, self._contacts_move)
