"""The Raspberry Pi Pico: which pins, buses and flash regions the terminal has.

docs/boards.md has the drawing. The bench's `host_tools/bench/wiring.py` connects the same pins.
"""

import gc
import os
import select
import sys
import time
from hashlib import sha256

import flash_map
import micropython
from micropython import const

from machine import I2C, RTC, UART, WDT, Pin, mem32, reset, unique_id

NAME = "rpi_pico"
PINS_ROWS = (10, 11, 12, 13, 14)
PINS_COLUMNS = (16, 17, 18, 19)
PIN_BEEPER = 15
# Connect it to 3V3 for a moment: heap and loop are printed on the console.
PIN_MEASURE = 22
AUX_BAUD = 19200

# What `mobi flash` says on the console of a running terminal.
SERVICE_CALL = b"mobi service"

_HEARD_AT_ONCE = const(64)
_FLASH_UNIT = const(256)
# Keeps its value over a reset and loses it with the power; the bootloader uses only 4 to 7.
_SCRATCH0 = const(0x4005800C)
_SERVICE = const(0x4D4F4249)
# Modules of MicroPython that a file of the same name would hide.
_BUILT_IN = ("machine", "select", "time", "os", "hashlib")


class WrongHardware(Exception):
    """A part of the board is not what this file promises; the text says which."""


class Service(Exception):
    """Not an error: it ends boot.py, so that the console is free and no watchdog runs."""


class Guard:
    """Feeds the watchdog of a running terminal, and listens to the console for ``SERVICE_CALL``."""

    def __init__(self, watchdog):
        self._watchdog = watchdog
        self._console = select.poll()
        self._console.register(sys.stdin, select.POLLIN)
        self._heard = b""  # the last bytes that came in

    def tend(self):
        """Feed it, and take what has come in."""
        self._watchdog.feed()
        for _ in range(_HEARD_AT_ONCE):
            if not self._console.poll(0):
                return
            self._heard = (self._heard + sys.stdin.buffer.read(1))[-len(SERVICE_CALL) :]
            if self._heard == SERVICE_CALL:
                service()


class Board:
    """What `firmware/main.py` hands to the terminal."""

    def __init__(self):
        self.name = NAME
        self.serial = unique_id()
        self.clock = time
        self.poll = select.poll()
        self.rows = [Pin(number, Pin.OUT, value=0) for number in PINS_ROWS]
        self.columns = [Pin(number, Pin.IN, Pin.PULL_DOWN) for number in PINS_COLUMNS]
        self.beeper = Pin(PIN_BEEPER, Pin.OUT, value=0)
        self.i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400000)
        # 1 KiB holds the longest frame, should the terminal be busy while it comes in.
        self.host_uart = UART(1, 115200, tx=Pin(8), rx=Pin(9), rxbuf=1536, txbuf=1536)
        self.aux_baud = AUX_BAUD
        self.aux_uart = UART(0, AUX_BAUD, tx=Pin(0), rx=Pin(1), rxbuf=256, txbuf=256)
        self.journal_flash = flash_map.journal()
        self.vault_flash = flash_map.vault()
        self.flash_unit = _FLASH_UNIT
        self.rtc = RTC()
        self.reset = reset
        # Set by the terminal, so that measurements can ask it.
        self.terminal = None
        Pin(PIN_MEASURE, Pin.IN, Pin.PULL_DOWN).irq(self._measure, Pin.IRQ_RISING)

    def watchdog(self, timeout_ms):
        """Start the watchdog (at most 8388 ms here); the function that feeds it.

        From here on nothing that arrives on the console stops the terminal: a Ctrl-C is a byte as
        any other (a computer that looks for modems sends all sorts). Only ``SERVICE_CALL`` restarts
        it into the service console, which it does when the watchdog is fed.
        """
        micropython.kbd_intr(-1)
        return Guard(WDT(timeout=timeout_ms)).tend

    def random(self, count):
        """``count`` random bytes.

        ``os.urandom`` samples the ring oscillator every microsecond, and such samples depend on
        each other: a hash over 64 of them gives the 32 bytes of a block.
        """
        out = b""
        while len(out) < count:
            block = sha256(out)
            block.update(os.urandom(64))
            out += block.digest()
        return out[:count]

    def self_test(self):
        """Raise ``WrongHardware`` when a call would not reach the hardware it is meant for."""
        for name in _BUILT_IN:
            if hasattr(__import__(name), "__file__"):
                raise WrongHardware("a file hides the module " + name)
        for name, kind in (
            ("i2c", I2C), ("host_uart", UART), ("aux_uart", UART), ("rtc", RTC), ("beeper", Pin),
            ("journal_flash", flash_map.Flash), ("vault_flash", flash_map.Flash),
        ):
            if type(getattr(self, name)) is not kind:
                raise WrongHardware(name + " is no " + kind.__name__)
        if sys.platform != "rp2":
            raise WrongHardware("this is the board file of the RP2040, not of " + sys.platform)
        if self.journal_flash.ioctl(4, 0) != 64 or self.vault_flash.ioctl(4, 0) != 2:
            raise WrongHardware("the flash regions have another size")
        before = time.ticks_us()
        time.sleep_ms(2)
        if not 1000 < time.ticks_diff(time.ticks_us(), before) < 10000:
            raise WrongHardware("the clock does not run")

    def collect(self):
        """Collect garbage; bytes of the heap that are free then, None where it has no bounds."""
        gc.collect()
        return gc.mem_free()

    def _measure(self, _):
        gc.collect()
        print("@measure heap_free=%d heap_used=%d" % (gc.mem_free(), gc.mem_alloc()))
        if self.terminal is not None:
            for pair in self.terminal.measurements().items():
                print("@measure %s=%s" % pair)
            self.terminal.loop.longest_turn_us = 0  # the longest since the last time
        micropython.mem_info()
        print("@measured")


def open():
    """The board, with its hardware set up and tested."""
    micropython.alloc_emergency_exception_buf(100)
    board = Board()
    board.self_test()
    return board


def service():
    """Restart into the service console: no terminal and no watchdog until the next reset."""
    mem32[_SCRATCH0] = _SERVICE
    reset()


def enter_service_if_wanted():
    """For boot.py: stay in the console when ``service`` asked for it, once."""
    if mem32[_SCRATCH0] == _SERVICE:
        mem32[_SCRATCH0] = 0
        print("The terminal does not run: this is the service console. machine.reset() starts it.")
        raise Service
