"""Which board a bench runs on, by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from host_tools.bench.kernel import Kernel
from host_tools.bench.unix import UnixBoard

if TYPE_CHECKING:
    from host_tools.bench.rig import Rig


class NoSuchBoard(ValueError):
    """The bench cannot run on that; the text names what it can run on."""


class Board(Protocol):
    """What the bench needs of whoever runs the firmware. Times are the kernel's microseconds."""

    name: str
    powered: bool
    halted: bool  # the firmware ended or hangs

    def power_on(self) -> None:
        """Give it power; nothing has run yet when this returns."""

    def power_off(self) -> None:
        """Take the power away at once."""

    def run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Run to ``until_us``, or until ``stop()`` holds while the terminal sleeps."""

    def next_wake_at(self) -> int:
        """When the sleeping terminal wants to wake up; ``NEVER`` when it is off."""

    def uart_in(self, port: int, data: bytes) -> None:
        """Bytes that have arrived at a UART of the terminal."""

    def set_contacts(self, pairs: list[tuple[int, int]]) -> None:
        """Which pins the keypad connects now."""

    def measure(self) -> dict[str, str]:
        """The terminal's own measurements of heap and loop."""


@runtime_checkable
class CopiedBoard(Protocol):
    """A board that goes on in a copy of this process (`branch`) made while it runs.

    ``can_be_copied_at``: "power", where its power is cut next, and "line", anywhere else.
    """

    can_be_copied_at: tuple[str, ...]

    def copied(self, log: Path) -> None:
        """This is the copy; what the firmware says from now on goes to ``log``."""


NAMES = ("unix", "inprocess", "pico")


def is_port(name: str) -> bool:
    """Is ``name`` a serial port, with a real terminal at it?"""
    return "/" in name


def check(name: str) -> None:
    """``NoSuchBoard`` unless the bench can run on ``name``."""
    if name not in NAMES and not is_port(name):
        raise NoSuchBoard(
            f"board={name!r}: the bench runs on {', '.join(NAMES)}, or the serial port of a real "
            + "terminal's line, such as /dev/ttyUSB0"
        )


def make(name: str, kernel: Kernel, rig: Rig, log: Path) -> Board:
    """The board ``name``, switched off."""
    check(name)
    if name == "pico":
        from host_tools.bench.pico import PicoBoard

        return PicoBoard(kernel, rig, log)
    if name == "inprocess":
        from host_tools.bench.inprocess import InProcess

        return InProcess(kernel, rig, log)
    if is_port(name):
        from host_tools.bench.serial_board import SerialBoard

        return SerialBoard(name, kernel, rig)
    return UnixBoard(kernel, rig, log)
