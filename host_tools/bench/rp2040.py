"""Parts of the emulated RP2040 that the bench brings itself: UARTs, flash chip, noise source.

`rp2040py` emulates the processor and most of the chip. Its UART raises the transmit interrupt
after every clear, which MicroPython's driver does not survive, and it knows neither baud rate nor
receive threshold; its flash chip knows no power cuts; its ring oscillator makes no noise. Here
they behave as the RP2040 datasheet says (4.2 UART, 2.17 ROSC) and as the ARM PL011 manual does.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from rp2040py.peripherals.peripheral import BasePeripheral
from rp2040py.peripherals.ssi import CMD_BLOCK_ERASE, CMD_PAGE_PROGRAM, CMD_SECTOR_ERASE, RPSSI
from rp2040py.usb.cdc import USBCDC

DEPTH = 32  # of both FIFOs
# Bits of a word on the line, 8N1.
BITS = 10
RX_TIMEOUT_BITS = 32

_DR, _RSR, _FR, _IBRD, _FBRD = 0x00, 0x04, 0x18, 0x24, 0x28
_LCR_H, _CR, _IFLS, _IMSC, _RIS, _MIS, _ICR, _DMACR = 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48
_IDENTITY = {
    0xFE0: 0x11, 0xFE4: 0x10, 0xFE8: 0x34, 0xFEC: 0,
    0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 5, 0xFFC: 0xB1,
}

_FR_BUSY, _FR_RXFE, _FR_TXFF, _FR_RXFF, _FR_TXFE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_LCR_FEN = 1 << 4
_CR_UARTEN, _CR_TXE, _CR_RXE = 1 << 0, 1 << 8, 1 << 9
INT_RX, INT_TX, INT_RT, INT_OE = 1 << 4, 1 << 5, 1 << 6, 1 << 10
_DR_OE = 1 << 11
# Fill levels for the five codes of IFLS, in words of a FIFO of 32.
_LEVELS = (4, 8, 16, 24, 28)
_CLK_PERI_CTRL = 0x48
_PLL_USB = 2  # as the source of the peripheral clock
_USB_HZ = 48_000_000


class Pl011(BasePeripheral):
    """A PL011 UART with both FIFOs, thresholds, receive time-out and the pace of its baud rate.

    ``sent(byte)`` is called when a byte goes into the transmit shifter. ``receive(data)`` puts
    bytes on the receive line; they arrive one after the other. ``lost`` counts those that found
    the FIFO full.
    """

    def __init__(self, rp2040: Any, name: str, irq: int, sent: Callable[[int], None]) -> None:
        super().__init__(rp2040, name)
        self.irq = irq
        self.sent = sent
        self.lost = 0
        self._line: deque[int] = deque()
        clock = rp2040.clock
        self._tx_alarm = clock.create_alarm(self._shifted)
        self._rx_alarm = clock.create_alarm(self._arrived)
        self._rt_alarm = clock.create_alarm(self._timed_out)
        self.reset()

    def reset(self) -> None:
        """Registers and FIFOs as after power-on; what is on the line stays on it."""
        self._rx: deque[int] = deque()
        self._tx: deque[int] = deque()
        self._shifting = False
        self._overrun = False
        self._ibrd = self._fbrd = self._lcr_h = self._imsc = self._ris = self._dmacr = 0
        self._cr = _CR_RXE | _CR_TXE
        self._ifls = 0x12
        self._tx_alarm.cancel()
        self._rt_alarm.cancel()
        self._update()

    # -- the line ----------------------------------------------------------------------------

    @property
    def baud(self) -> float:
        """Bits per second as the divisors and the peripheral clock have it; 0 when not set."""
        divisor = self._ibrd * 64 + self._fbrd
        return self._clock_hz() * 4 / divisor if divisor else 0

    @property
    def busy(self) -> bool:
        """Are bytes on the line, or about to be?"""
        return self._shifting or bool(self._tx or self._line)

    def _clock_hz(self) -> int:
        source = (self.rp2040.clocks.read_uint32(_CLK_PERI_CTRL) >> 5) & 7
        return _USB_HZ if source == _PLL_USB else self.rp2040.clk_sys

    def _bits_ns(self, bits: int) -> float:
        return bits * 1e9 / (self.baud or 115200)

    def receive(self, data: bytes) -> None:
        """Bytes come in on the line, one after the other, at the baud rate."""
        idle = not self._line
        self._line.extend(data)
        if idle and self._line:
            self._rx_alarm.schedule(0)

    def _arrived(self) -> None:
        byte = self._line.popleft()
        if self._line:
            self._rx_alarm.schedule(self._bits_ns(BITS))
        if not (self._cr & _CR_UARTEN and self._cr & _CR_RXE):
            return
        if len(self._rx) >= self._depth():
            self.lost += 1
            self._overrun = True
            self._ris |= INT_OE
        else:
            self._rx.append(byte | (_DR_OE if self._overrun else 0))
            self._overrun = False
            if len(self._rx) >= self._rx_level():
                self._ris |= INT_RX
        self._rt_alarm.schedule(self._bits_ns(RX_TIMEOUT_BITS))
        self._update()

    def _timed_out(self) -> None:
        if self._rx:
            self._ris |= INT_RT
            self._update()

    def _shifted(self) -> None:
        self._shifting = False
        self._shift()

    def _shift(self) -> None:
        if self._shifting or not self._tx or not self._cr & _CR_TXE:
            return
        byte = self._tx.popleft()
        self._shifting = True
        self._tx_alarm.schedule(self._bits_ns(BITS))
        # A transition through the threshold, not the level, raises the interrupt.
        if len(self._tx) == self._tx_level():
            self._ris |= INT_TX
            self._update()
        self.sent(byte)

    # -- the processor's side ----------------------------------------------------------------

    def _depth(self) -> int:
        return DEPTH if self._lcr_h & _LCR_FEN else 1

    def _rx_level(self) -> int:
        return _LEVELS[min(self._ifls >> 3 & 7, 4)] if self._lcr_h & _LCR_FEN else 1

    def _tx_level(self) -> int:
        return _LEVELS[min(self._ifls & 7, 4)] if self._lcr_h & _LCR_FEN else 0

    def _update(self) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._ris & self._imsc))

    def _flags(self) -> int:
        flags = _FR_BUSY if self._shifting or self._tx else 0
        flags |= _FR_RXFE if not self._rx else 0
        flags |= _FR_RXFF if len(self._rx) >= self._depth() else 0
        flags |= _FR_TXFE if not self._tx else 0
        flags |= _FR_TXFF if len(self._tx) >= self._depth() else 0
        return flags

    def _pull(self) -> int:
        if not self._rx:
            return 0
        word = self._rx.popleft()
        if len(self._rx) < self._rx_level():
            self._ris &= ~INT_RX
        if self._rx:
            self._rt_alarm.schedule(self._bits_ns(RX_TIMEOUT_BITS))
        else:
            self._rt_alarm.cancel()
            self._ris &= ~INT_RT
        self._update()
        return word

    def read_uint32(self, offset: int) -> int:
        """A register of the UART."""
        if offset == _DR:
            return self._pull()
        if offset == _FR:
            return self._flags()
        registers = {
            _RSR: 0, _IBRD: self._ibrd, _FBRD: self._fbrd, _LCR_H: self._lcr_h, _CR: self._cr,
            _IFLS: self._ifls, _IMSC: self._imsc, _RIS: self._ris, _MIS: self._ris & self._imsc,
            _ICR: 0, _DMACR: self._dmacr,
        }
        if offset in registers:
            return registers[offset]
        if offset in _IDENTITY:
            return _IDENTITY[offset]
        return super().read_uint32(offset)

    def write_uint32(self, offset: int, value: int) -> None:
        """Write a register of the UART."""
        if offset == _DR:
            if len(self._tx) < self._depth():
                self._tx.append(value & 0xFF)
                if len(self._tx) > self._tx_level():
                    self._ris &= ~INT_TX
                    self._update()
                self._shift()
        elif offset == _ICR:
            self._ris &= ~self.raw_write_value
            self._update()
        elif offset == _IBRD:
            self._ibrd = value & 0xFFFF
        elif offset == _FBRD:
            self._fbrd = value & 0x3F
        elif offset == _LCR_H:
            self._lcr_h = value & 0xFF
        elif offset == _CR:
            self._cr = value & 0xFFFF
            self._shift()
        elif offset == _IFLS:
            self._ifls = value & 0x3F
        elif offset == _IMSC:
            self._imsc = value & 0x7FF
            self._update()
        elif offset == _DMACR:
            self._dmacr = value & 7
        elif offset != _RSR:
            super().write_uint32(offset, value)


class FlashChip(RPSSI):
    """The SPI flash chip. ``changed(command, address, data)`` does what a command asks for.

    It is called at the end of an erase or a program command, when the chip begins to work; ``data``
    is None for an erase. It gives False when the address is none of its business: then the chip's
    own array is changed.
    """

    unique_id = b"MOBIPICO"

    def __init__(self, rp2040: Any, changed: Callable[[int, int, bytes | None], bool]) -> None:
        super().__init__(rp2040, "SSI")
        self._changed = changed

    def _shift_byte(self, byte_out: int) -> int:
        answer = super()._shift_byte(byte_out)
        if self._tx_buffer[0] == 0x4B:  # read unique id: four dummy bytes, then eight of it
            at = len(self._tx_buffer) - 6
            return self.unique_id[at] if 0 <= at < 8 else 0
        return answer

    def _apply_command(self) -> None:
        command = self._tx_buffer[0] if self._tx_buffer else 0
        if self._write_enabled and len(self._tx_buffer) >= 4:
            address = self._address_from_buffer()
            if command in (CMD_SECTOR_ERASE, CMD_BLOCK_ERASE):
                if self._changed(command, address, None):
                    self._done()
                    return
            elif command == CMD_PAGE_PROGRAM:
                if self._changed(command, address, bytes(self._tx_buffer[4:])):
                    self._done()
                    return
        super()._apply_command()

    def _done(self) -> None:
        self._write_enabled = False
        self._tx_buffer = bytearray()


class UsbConsole(USBCDC):
    """A computer at the USB socket, with the console open. ``received(data)``: what it printed.

    The emulator's own host answers every question for data at once, with nothing when it has
    nothing; the processor would never sleep. A real host says nothing then (NAK), and so does this.
    """

    def __init__(self, usb: Any, received: Callable[[bytes | bytearray], None]) -> None:
        super().__init__(usb)
        self.on_serial_data = received
        self._asked: tuple[int, int] | None = None
        self._answer: Callable[[int, int], None] = usb.on_endpoint_read
        usb.on_endpoint_read = self._endpoint_read

    def _endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint == self._out_endpoint and self.tx_fifo.empty:
            self._asked = (endpoint, size)
        else:
            self._answer(endpoint, size)

    def _on_controller_reset(self) -> None:
        self._asked = None
        super()._on_controller_reset()

    def type(self, data: bytes) -> int:
        """Type ``data``; how much of it has gone in. The rest has to be typed later."""
        room = self.tx_fifo.size - self.tx_fifo.item_count
        for byte in data[:room]:
            self.send_serial_byte(byte)
        if self._asked is not None and not self.tx_fifo.empty:
            asked, self._asked = self._asked, None
            self._answer(*asked)
        return min(room, len(data))


class Rosc(BasePeripheral):
    """The ring oscillator: its random bit comes from the bench's seed."""

    _STATUS, _RANDOMBIT = 0x18, 0x1C

    def __init__(self, rp2040: Any, source: random.Random) -> None:
        super().__init__(rp2040, "ROSC")
        self._source = source
        self._registers: dict[int, int] = {}

    def read_uint32(self, offset: int) -> int:
        """A register; the random bit is new at each read."""
        if offset == self._RANDOMBIT:
            return self._source.getrandbits(1)
        if offset == self._STATUS:
            return 1 << 31 | 1 << 12  # stable, enabled
        return self._registers.get(offset, 0)

    def write_uint32(self, offset: int, value: int) -> None:
        """Kept, without an effect: the clock of the emulation is what it is."""
        self._registers[offset] = value
