"""The unix board: which pins, buses and flash regions the terminal has. Same wiring as a Pico."""

import gc
import select
import time

import bus
from flash import Flash
from machine import I2C, RTC, UART, WDT, Pin, reset, unique_id

NAME = "unix"
PINS_ROWS = (10, 11, 12, 13, 14)
PINS_COLUMNS = (16, 17, 18, 19)
PIN_BEEPER = 15
AUX_BAUD = 19200

_JOURNAL = 0
_VAULT = 1


class Board:
    """What `firmware/main.py` hands to the terminal."""

    def __init__(self):
        self.name = NAME
        self.serial = unique_id()
        self.clock = time
        self.poll = select.poll()
        Pin.heard = (PIN_BEEPER,)
        self.rows = [Pin(number, Pin.OUT, value=0) for number in PINS_ROWS]
        self.columns = [Pin(number, Pin.IN, Pin.PULL_DOWN) for number in PINS_COLUMNS]
        self.beeper = Pin(PIN_BEEPER, Pin.OUT, value=0)
        self.i2c = I2C(0, freq=400000)
        # 1 KiB holds the longest frame, should the terminal be busy while it comes in.
        self.host_uart = UART(1, 115200, rxbuf=1536, txbuf=1536)
        self.aux_baud = AUX_BAUD
        self.aux_uart = UART(0, AUX_BAUD, rxbuf=256, txbuf=256)
        self.journal_flash = Flash(_JOURNAL)
        self.vault_flash = Flash(_VAULT)
        self.flash_unit = self.journal_flash.unit
        self.rtc = RTC()
        self.reset = reset
        # Set by the terminal, so that measurements can ask it.
        self.terminal = None
        bus.on_event[ord("m")] = self._measure

    def watchdog(self, timeout_ms):
        """Start the watchdog; the function that feeds it."""
        return WDT(timeout=timeout_ms).feed

    def random(self, count):
        """Random bytes; on the bench they come from its seed."""
        return bus.ask(ord("n"), bytes((count,)))[1]

    def collect(self):
        """Collect garbage; bytes of the heap that are free then, None where it has no bounds."""
        gc.collect()
        return gc.mem_free()

    def _measure(self, _):
        gc.collect()
        numbers = {"heap_free": gc.mem_free(), "heap_used": gc.mem_alloc()}
        if self.terminal is not None:
            numbers.update(self.terminal.measurements())
        text = "\n".join("%s=%s" % pair for pair in numbers.items())
        bus.tell(ord("m"), text.encode())


def open():
    """The board, with its hardware set up."""
    return Board()
