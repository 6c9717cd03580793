"""An ESP32 with PSRAM: which pins, buses and flash regions the terminal has.

NOT RUN on hardware or on an emulator: written from MicroPython's documentation of the esp32 port.
docs/boards.md tells how to put it on a board and what to check first.
"""

import gc
import os
import select
import sys
import time

import micropython
from esp32 import Partition

from machine import I2C, RTC, UART, WDT, Pin, reset, unique_id

NAME = "esp32"
PINS_ROWS = (13, 14, 25, 26, 27)
# Not 34 to 39: those have no pull resistors inside.
PINS_COLUMNS = (4, 18, 19, 23)
PIN_BEEPER = 5
AUX_BAUD = 19200

# UART 0 is the console.
_HOST = 2
_AUX = 1
# esp_partition programs any length; the sector is the chip's 4096 bytes.
_FLASH_UNIT = 1
_SECTOR = 4096


class WrongHardware(Exception):
    """A part of the board is not what this file promises; the text says which."""


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
        self.i2c = I2C(0, scl=Pin(22), sda=Pin(21), freq=400000)
        self.host_uart = UART(_HOST, 115200, tx=Pin(17), rx=Pin(16), rxbuf=1536, txbuf=1536)
        self.aux_baud = AUX_BAUD
        self.aux_uart = UART(_AUX, AUX_BAUD, tx=Pin(32), rx=Pin(33), rxbuf=256, txbuf=256)
        self.journal_flash = partition("mobi_journal", 64)
        self.vault_flash = partition("mobi_vault", 2)
        self.flash_unit = _FLASH_UNIT
        self.rtc = RTC()
        self.reset = reset
        # Set by the terminal, so that measurements can ask it.
        self.terminal = None

    def watchdog(self, timeout_ms):
        """Start the watchdog; the function that feeds it."""
        return WDT(timeout=timeout_ms).feed

    def random(self, count):
        """``count`` random bytes of the chip's generator (it wants WiFi, Bluetooth or the ADC's
        noise source on to be more than pseudo-random: see docs/boards.md)."""
        return os.urandom(count)

    def collect(self):
        """Collect garbage; bytes of the heap that are free then, None where it has no bounds."""
        gc.collect()
        return gc.mem_free()

    def self_test(self):
        """Raise ``WrongHardware`` when a call would not reach the hardware it is meant for."""
        for name, kind in (
            ("i2c", I2C), ("host_uart", UART), ("aux_uart", UART), ("rtc", RTC), ("beeper", Pin),
            ("journal_flash", Partition), ("vault_flash", Partition),
        ):
            if type(getattr(self, name)) is not kind:
                raise WrongHardware(name + " is no " + kind.__name__)
        if sys.platform != "esp32":
            raise WrongHardware("this is the board file of the ESP32, not of " + sys.platform)


def partition(label, sectors):
    """The flash region ``label`` of the partition table as a block device."""
    found = Partition.find(Partition.TYPE_DATA, label=label)
    if not found:
        raise WrongHardware("no partition " + label + ": flash boards/esp32/partitions.csv")
    if found[0].ioctl(4, 0) != sectors or found[0].ioctl(5, 0) != _SECTOR:
        raise WrongHardware("the partition " + label + " has another size")
    return found[0]


def open():
    """The board, with its hardware set up and tested."""
    micropython.alloc_emergency_exception_buf(100)
    board = Board()
    board.self_test()
    return board
