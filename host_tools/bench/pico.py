"""Runs the real Pico image on an emulated RP2040 and connects its pins to the rig.

The image is the one that `make uf2` builds, byte for byte. The processor is `rp2040py`; the bench
brings UARTs, flash chip and noise source (rp2040.py) and, on the wires, the same models as for
every other board. Time is the emulated chip's time: computing takes as long as on the board.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools.bench import wiring
from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.nor import SECTOR, PowerCut
from host_tools.flash import image, uf2
from host_tools.places import ROOT

if TYPE_CHECKING:
    from host_tools.bench.rig import Rig

FLASH_SIZE = 2 << 20
# The storage half of the flash, as boards/rpi_pico/modules/flash_map.py divides it.
STORAGE = 1 << 20
JOURNAL_AT = STORAGE
VAULT_AT = JOURNAL_AT + 256 * 1024
FILES_AT = VAULT_AT + 8 * 1024

PAGE = 256  # what the flash driver programs at once

# How long the processor may run before the bench looks whether it has gone to sleep.
LOOK_US = 250
I2C_BIT_US = 2.5  # at 400 kHz
MEASURE_PIN = 22
_STACK = (0x20040000, 0x20042000)
_RAM = 0x20000000
_PYTHON_STACK = 3 * 1024  # as boards/rpi_pico/pystack.c has it


class NoImage(Exception):
    """There is no image to run; the text says what to do."""


def image_path() -> Path:
    """The image: ``MOBI_UF2``, or what `make uf2` has built."""
    path = Path(os.environ.get("MOBI_UF2", ROOT / "build" / "mobi-rpi_pico.uf2"))
    if not path.exists():
        raise NoImage(f"There is no Pico image at {path}. Build it with `make uf2`.")
    return path


@cache
def _image(path: Path, changed: int) -> bytes:
    return uf2.flash_image(path.read_bytes())


class PicoBoard:
    """A terminal on an emulated Pico. It runs only while ``run`` is being called.

    ``usb``: plug a host into its USB socket; it is called with what the console sends. Emulated
    USB costs time, so leave it unplugged where the console is not the point.
    """

    name = "pico"

    def __init__(
        self,
        kernel: Kernel,
        rig: Rig,
        log: Path,
        image_file: Path | None = None,
        usb: Callable[[bytes | bytearray], None] | None = None,
    ) -> None:
        try:
            import rp2040py  # noqa: F401
        except ImportError as error:
            raise NoImage("The emulated Pico needs rp2040py: `make setup` installs it") from error
        sizes = [(nor.size, nor.unit) for nor in rig.flash]
        if sizes != [(VAULT_AT - JOURNAL_AT, PAGE), (FILES_AT - VAULT_AT, PAGE)]:
            raise ValueError(
                "the Pico's journal has 256 KiB and is written by pages of 256 bytes: leave out "
                + "journal_kib and unit"
            )
        self.kernel = kernel
        self.rig = rig
        self.log = log
        self.image = image_file or image_path()
        self.usb = usb
        # Called with the stopped chip when it has computed for ``look_us`` or less, or sleeps.
        self.watch: Callable[[Any], None] | None = None
        self.look_us = LOOK_US
        self.powered = False
        self.halted = False  # the firmware ended or hangs; only the watchdog can help
        self.measured: dict[str, str] = {}
        self.console = ""  # what the firmware printed since power-on
        self._files = b"\xff" * (FLASH_SIZE - FILES_AT)
        self._born_us = 0
        self._failure: BaseException | None = None
        self._armed_us = NEVER
        self._until_us = NEVER
        self.chip: Any = None

    # -- power -----------------------------------------------------------------------------

    def power_on(self) -> None:
        """Switch on; nothing has run yet when this returns."""
        if self.powered:
            return
        self.chip = _Chip(self)
        self.console = ""
        self.halted = False
        self._failure = None
        self._born_us = self.kernel.now_us
        self.powered = True
        self._connect_columns()

    def power_off(self) -> None:
        """Cut the power: RAM is gone, the flash chip keeps what it has."""
        if self.powered:
            self._files = bytes(self.chip.flash[FILES_AT:FLASH_SIZE])
            self.powered = False
            self.chip = None

    # -- time --------------------------------------------------------------------------------

    def run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Run the world to ``until_us``, or until ``stop()`` holds while the terminal sleeps."""
        self._until_us = until_us
        while True:
            if not self.powered:
                if stop is not None and stop():
                    return
                if self.kernel.now_us >= until_us:
                    return
                self.kernel.run_due(min(self.kernel.next_at(), until_us))
                continue
            self._catch_up()
            if self.chip.asleep and stop is not None and stop():
                return
            if self.kernel.now_us >= until_us:
                return
            self.chip.go()
            if self.watch is not None:
                self.watch(self.chip)
            if self._failure is not None:
                self._fail()

    def next_wake_at(self) -> int:
        """When the sleeping terminal wants to wake up; now while it computes, sends or receives."""
        if not self.powered:
            return NEVER
        if not self.chip.asleep or any(uart.busy for uart in self.chip.uart):
            return self.kernel.now_us
        return self._born_us + self.chip.wakes_at_us()

    def _now(self) -> int:
        return self._born_us + int(self.chip.clock.nanos // 1000)

    def _catch_up(self) -> None:
        now = self._now()
        if now > self.kernel.now_us or self.kernel.next_at() <= now:
            self.kernel.run_due(now)

    def _fail(self) -> None:
        failure, self._failure = self._failure, None
        self.power_off()
        if isinstance(failure, PowerCut):
            self.rig.power_was_cut()
        elif failure is not None:
            raise failure

    # -- what the world does to the terminal ---------------------------------------------------

    def uart_in(self, port: int, data: bytes) -> None:
        """Bytes that have arrived at a UART of the terminal."""
        if self.powered:
            self.chip.uart[port].receive(data)

    def usb_in(self, data: bytes) -> int:
        """Type ``data`` on the USB console; how much of it has gone in."""
        return self.chip.usb.type(data) if self.powered else 0

    def set_contacts(self, pairs: list[tuple[int, int]]) -> None:
        """Switches of the keypad have moved."""
        if self.powered:
            self._connect_columns()

    def _connect_columns(self) -> None:
        chip = self.chip
        levels = [chip.drives(pin) for pin in wiring.ROWS]
        high = self.rig.keypad.high_columns(
            {i for i, level in enumerate(levels) if level == 1},
            {i for i, level in enumerate(levels) if level == 0},
            self.kernel.now_us,
        )
        for i, pin in enumerate(wiring.COLUMNS):
            chip.set_input(pin, i in high)

    def measure(self) -> dict[str, str]:
        """The firmware's own numbers, printed when the measuring pin rises; and its stack."""
        self.measured = {}
        if not self.powered:
            return self.measured
        begin = len(self.console)
        self.chip.set_input(MEASURE_PIN, True)
        self.run(
            self.kernel.now_us + 2_000_000, lambda: "@measured" in self.console[begin:]
        )
        self.chip.set_input(MEASURE_PIN, False)
        for line in self.console[begin:].splitlines():
            if line.startswith("@measure "):
                for part in line[9:].split():
                    name, _, value = part.partition("=")
                    self.measured[name] = value
            elif "max free sz" in line:
                self.measured["largest_free"] = str(int(line.rpartition(":")[2]) * 16)
        self.measured["stack_used"] = str(self.chip.stack_used())
        self.measured["python_stack_used"] = str(self.chip.python_stack_used())
        return self.measured

    # -- what the terminal does to the world; called in the middle of an instruction -------------

    def guarded(self, action: Callable[[], Any]) -> Any:
        """Let the world catch up and do ``action`` in it; an error stops the processor first."""
        if self._failure is not None:
            return None
        try:
            self._catch_up()
            result = action()
        except Exception as failure:  # noqa: BLE001  is raised again by run()
            self._failure = failure
            self.chip.stopped = True
            return None
        self.chip.arm()
        return result

    def flash_changed(self, address: int, data: bytes | None) -> bool:
        """The flash chip begins to program ``data`` or to erase; False: not a region of the rig."""
        for region, start in ((wiring.JOURNAL, JOURNAL_AT), (wiring.VAULT, VAULT_AT)):
            nor = self.rig.flash[region]
            at = address - start
            if 0 <= at < nor.size:
                self.guarded(partial(self._flash_operation, region, at, data))
                # Also after a power cut: the next start sees what the chip was left with.
                size = SECTOR if data is None else len(data)
                self.chip.flash[address : address + size] = bytes(nor.mem[at : at + size])
                return True
        return False

    def _flash_operation(self, region: int, at: int, data: bytes | None) -> None:
        before = self.kernel.now_us
        if data is None:
            self.rig.flash_erase(region, at // SECTOR)
        else:
            self.rig.flash_program(region, at // SECTOR, data, at % SECTOR)
        self.chip.stall(self.kernel.now_us - before)

    def printed(self, text: str) -> None:
        """The firmware wrote to its console."""
        self.console += text
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text)
        if text.startswith("Traceback"):
            # MicroPython has left main.py and waits at its prompt.
            self.halted = True
            self.rig.terminal_ended("it stopped with an error; see the log")

    def watchdog_bit(self) -> None:
        """The watchdog's time was over: the chip starts again."""
        self.halted = False
        self.rig.watchdog_bit()


class _Quiet:
    # The emulator's log. It would tell of every register it does not model and of every SEV.
    def debug(self, component: str, message: str) -> None:
        pass

    info = warning = error = debug


class _Chip:
    # The RP2040 and its wiring, from one power-on to the next. `rp2040`, `clock` and `stopped` are
    # what the emulator's loop wants to find.

    def __init__(self, board: PicoBoard) -> None:
        from rp2040py.device.bootrom import BOOTROM_B1
        from rp2040py.execute_batch import execute_batch
        from rp2040py.gpio_pin import GPIOPinState
        from rp2040py.irq import IRQ
        from rp2040py.rp2040 import RP2040

        from host_tools.bench.rp2040 import FlashChip, Pl011, Rosc, UsbConsole

        self.board = board
        self.stopped = False
        mcu: Any = RP2040()
        self.rp2040 = mcu
        self.clock = mcu.clock
        self._core = mcu.core
        self._execute: Any = execute_batch
        self._states = (GPIOPinState.LOW, GPIOPinState.HIGH)
        self._alarm = self.clock.create_alarm(self._due)
        self._armed_us = NEVER
        mcu.logger = _Quiet()
        mcu.load_bootrom(BOOTROM_B1)
        self.flash = mcu.flash
        self._load()

        mcu.ssi = mcu.peripherals[0x18000] = FlashChip(mcu, self._flash_changed)
        mcu.peripherals[0x40060] = Rosc(mcu, board.rig.random)
        self.uart = []
        for port, (irq, base) in enumerate(((IRQ.UART0, 0x40034), (IRQ.UART1, 0x40038))):
            uart = Pl011(mcu, f"UART{port}", irq, partial(self._sent, port))
            mcu.uart[port] = mcu.peripherals[base] = uart
            self.uart.append(uart)
        self._i2c_data = bytearray()
        self._i2c_address = 0
        i2c = mcu.i2c[wiring.I2C_PANEL]
        i2c.on_connect = self._i2c_connect
        i2c.on_write_byte = self._i2c_byte
        i2c.on_stop = self._i2c_stop
        self._i2c = i2c
        for pin in wiring.ROWS:
            mcu.gpio[pin].add_listener(self._row_moved)
        mcu.gpio[wiring.BEEPER].add_listener(self._beeper_moved)
        mcu.watchdog.on_watchdog_trigger = self._watchdog
        # Nothing uses the programmable I/O; leaving it out of the loop saves a tenth of the time.
        self._pio, mcu.pio = mcu.pio, []
        mcu.on_break = self._breakpoint
        self.usb = None if board.usb is None else UsbConsole(mcu.usb_ctrl, board.usb)
        self._core.pc = 0x10000000

    def _load(self) -> None:
        board = self.board
        path = board.image
        firmware = _image(path, path.stat().st_mtime_ns)
        self.flash[: len(firmware)] = firmware
        for region, start in ((wiring.JOURNAL, JOURNAL_AT), (wiring.VAULT, VAULT_AT)):
            nor = board.rig.flash[region]
            view = bytearray(nor.size)
            for sector in range(nor.sectors):
                part = bytearray(SECTOR)
                nor.readblocks(sector, part, 0)
                view[sector * SECTOR : (sector + 1) * SECTOR] = part
            self.flash[start : start + nor.size] = bytes(view)
        self.flash[FILES_AT:FLASH_SIZE] = board._files
        # A breakpoint on the function that writes to the console, as a debugger would set one.
        symbols = image.facts_of(path).get("symbols", {})
        address = symbols.get("mp_hal_stdout_tx_strn")
        if address and board.usb is None:
            self.flash[address - uf2.FLASH_BASE : address - uf2.FLASH_BASE + 2] = b"\x00\xbe"

    # -- running -----------------------------------------------------------------------------

    @property
    def asleep(self) -> bool:
        """Does the processor wait for an event or an interrupt?"""
        return self._core.waiting

    def wakes_at_us(self) -> int:
        """When the chip's timer ends the sleep, in microseconds of the chip. Which of its four
        alarms MicroPython sleeps by differs between versions."""
        # The timer counts from the last reset, the clock from power-on: after the watchdog's reset
        # the two differ.
        timer = self.rp2040.timer
        count = int(timer._micros())
        left = [(alarm.target_micros - count) & 0xFFFFFFFF
                for alarm in timer.alarms if alarm.armed]
        return int(self.clock.nanos // 1000) + min(left) if left else NEVER

    def go(self) -> None:
        """Let the processor run until the next event, until it may have gone to sleep, or 5 ms
        of real time."""
        self.stopped = False
        self._armed_us = NEVER
        self.arm()
        self._execute(self, 1)

    def arm(self) -> None:
        """Come back at the next event of the world, and soon after the processor has woken up."""
        board = self.board
        now = int(self.clock.nanos // 1000)
        look = now + board.look_us
        if self._core.waiting:
            self._alarm.cancel()
            wake = self.clock.nanos_to_next_alarm if self.clock.has_scheduled_alarm else 1e12
            look = now + int(wake // 1000) + board.look_us
        target = min(board.kernel.next_at(), board._until_us) - board._born_us
        at = max(min(target, look), now)
        if at < self._armed_us:
            self._armed_us = at
            self._alarm.schedule(at * 1000.0 - self.clock.nanos)

    def _due(self) -> None:
        self.stopped = True

    def stall(self, us: float) -> None:
        """The processor stands still while ``us`` microseconds pass."""
        self.clock.tick(us * 1000.0)

    # -- pins --------------------------------------------------------------------------------

    def drives(self, pin: int) -> int | None:
        """The level a pin drives; None when it does not."""
        value = self.rp2040.gpio[pin].value
        return self._states.index(value) if value in self._states else None

    def set_input(self, pin: int, level: bool) -> None:
        """Set the level an input sees. Only a change makes an edge."""
        gpio = self.rp2040.gpio[pin]
        if gpio._raw_input_value != level:
            gpio.set_input_value(level)

    def _row_moved(self, *_: object) -> None:
        self.board.guarded(self.board._connect_columns)

    def _beeper_moved(self, value: Any, _: Any) -> None:
        level = int(value == self._states[1])
        self.board.guarded(lambda: self.board.rig.pin(wiring.BEEPER, level))

    # -- buses -------------------------------------------------------------------------------

    def _sent(self, port: int, byte: int) -> None:
        self.board.guarded(lambda: self.board.rig.uart(port, bytes((byte,))))

    def _i2c_connect(self, address: int, mode: Any) -> None:
        self._i2c_address = address
        self._i2c_data.clear()
        self.stall(9 * I2C_BIT_US)
        self._i2c.complete_connect(address == self.board.rig.panel.address)

    def _i2c_byte(self, value: int) -> None:
        self._i2c_data.append(value)
        self.stall(9 * I2C_BIT_US)
        self._i2c.complete_write(True)

    def _i2c_stop(self) -> None:
        data = bytes(self._i2c_data)
        self._i2c_data.clear()
        if data:
            self.board.guarded(lambda: self.board.rig.i2c(self._i2c_address, data))
        self._i2c.complete_stop()

    def _flash_changed(self, command: int, address: int, data: bytes | None) -> bool:
        return self.board.flash_changed(address, data)

    def _watchdog(self) -> None:
        if self.rp2040.watchdog._reason == 1:
            self.board.guarded(self.board.watchdog_bit)
        mcu = self.rp2040
        mcu.pio = self._pio
        mcu.enter_reset(from_watchdog=True)
        mcu.leave_reset()
        mcu.pio = []

    # -- looking inside ------------------------------------------------------------------------

    def _breakpoint(self, code: int) -> None:
        # mp_hal_stdout_tx_strn(r0: text, r1: length): take the text and return from the function.
        registers = self._core.registers
        at, size = registers[0] - _RAM, registers[1]
        if registers[0] >= _RAM:
            data = bytes(self.rp2040.sram[at : at + size])
        else:
            data = bytes(self.flash[registers[0] & 0xFFFFFF : (registers[0] & 0xFFFFFF) + size])
        self.board.printed(data.decode("utf-8", "replace").replace("\r\n", "\n"))
        registers[0] = size
        registers[15] = registers[14] & ~1

    def hang(self) -> None:
        """Let the processor do nothing any more: ``wfe`` in a loop, at the end of the flash's
        lower half, where no firmware is."""
        at = STORAGE - 4
        self.flash[at : at + 4] = b"\x20\xbf\xfd\xe7"
        self._core.registers[15] = uf2.FLASH_BASE + at

    def stack_used(self) -> int:
        """How far the stack has ever grown since power-on, in bytes: RAM was zero before."""
        stack = bytes(self.rp2040.sram[_STACK[0] - _RAM : _STACK[1] - _RAM])
        return len(stack.lstrip(b"\0"))

    def python_stack_used(self) -> int:
        """The same for the stack of Python functions, which grows upwards from ``pystack``."""
        begin = image.facts_of(self.board.image).get("symbols", {}).get("pystack", _RAM) - _RAM
        return len(bytes(self.rp2040.sram[begin : begin + _PYTHON_STACK]).rstrip(b"\0"))
