"""What the firmware asks of a board: `firmware/main.py` opens one and hands it to the terminal.

A board file (`boards/NAME/board.py`, or `modules/board.py` where it is frozen into an image) has a
function ``open()`` that gives an object like `Board`. On a device nothing of this file is needed;
docs/boards.md has its table, and the tests hold every board against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Clock(Protocol):
    """MicroPython's ``time``, as far as the terminal uses it. Ticks wrap; compare them only
    through ``ticks_diff``."""

    def ticks_ms(self) -> int: ...
    def ticks_us(self) -> int: ...
    def ticks_add(self, ticks: int, delta: int) -> int: ...
    def ticks_diff(self, a: int, b: int) -> int: ...


class Poll(Protocol):
    """``select.poll()``."""

    def register(self, stream: Any, flags: int) -> Any: ...
    def ipoll(self, timeout: int) -> Any: ...


class I2C(Protocol):
    """``machine.I2C``, as far as the display's driver uses it."""

    def writeto(self, address: int, data: Any) -> int: ...


class Uart(Protocol):
    """``machine.UART``. ``write`` takes all of it; ``readinto`` gives None when nothing waits."""

    def any(self) -> int: ...
    def readinto(self, buffer: Any) -> int | None: ...
    def write(self, data: Any) -> int: ...


class BlockDevice(Protocol):
    """MicroPython's extended block device: what gives an offset never erases. Sectors of 4096
    bytes; 0 or a negative errno."""

    def readblocks(self, sector: int, buffer: Any, offset: int) -> int: ...
    def writeblocks(self, sector: int, data: Any, offset: int) -> int: ...
    def ioctl(self, request: int, arg: int) -> int: ...


class Rtc(Protocol):
    """``machine.RTC``."""

    def datetime(self, parts: tuple[int, ...] | None = None) -> Any: ...


class Board(Protocol):
    """One board. The line behind each name is its row in docs/boards.md."""

    name: str
    """text"""
    serial: bytes
    """some bytes that tell this board from others"""
    clock: Clock
    """`ticks_ms`, `ticks_us`, `ticks_add`, `ticks_diff`: MicroPython's `time`"""
    poll: Poll
    """a `select.poll()`: the one place where the terminal sleeps"""
    rows: list[Any]
    """five output pins of the keypad"""
    columns: list[Any]
    """four inputs of the keypad with pull-downs and interrupts"""
    beeper: Any
    """an output pin"""
    i2c: I2C
    """`writeto(address, data)` at 400 kHz"""
    host_uart: Uart
    """115200 8N1, room for 1 KiB each way, works with `poll`"""
    aux_uart: Uart
    """printer out, printer, reader and scanner in"""
    aux_baud: int
    """its speed, which the printer's driver paces itself by"""
    journal_flash: BlockDevice
    """`readblocks`, `writeblocks` at an offset (never erases), `ioctl` 4, 5, 6; 64 of 4 KiB"""
    vault_flash: BlockDevice
    """the same with 2 sectors"""
    flash_unit: int
    """how many bytes a program must be long: 256, or 1 for any length"""
    rtc: Rtc
    """`datetime()`"""
    terminal: Any
    """`None`; the terminal puts itself there"""

    def reset(self) -> None:
        """restarts the chip"""

    def watchdog(self, timeout_ms: int) -> Callable[[], None]:
        """starts it; gives the function that feeds it"""

    def random(self, count: int) -> bytes:
        """bytes nobody can guess"""

    def collect(self) -> int | None:
        """collects garbage; bytes of the heap that are free then, `None` where it has no bounds"""
