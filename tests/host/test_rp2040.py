"""The bench's own parts of the emulated RP2040, by the registers that a driver sees."""

import random

import pytest
from rp2040py.irq import IRQ
from rp2040py.rp2040 import RP2040

from host_tools.bench.rp2040 import INT_OE, INT_RT, INT_RX, INT_TX, FlashChip, Pl011, Rosc

# Registers of the PL011 (ARM DDI 0183), bits of its flags.
DR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR = (
    0x00, 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44)
BUSY, RXFE, TXFF, TXFE = 1 << 3, 1 << 4, 1 << 5, 1 << 7
BYTE_NS = 10 * 1e9 / 115200


@pytest.fixture
def sent():
    return []


@pytest.fixture
def uart(sent):
    """A UART at 115200 8N1 with FIFOs, as MicroPython sets it up."""
    uart = Pl011(RP2040(), "UART1", IRQ.UART1, sent.append)
    divisor = round(uart._clock_hz() * 4 / 115200)
    uart.write_uint32(IBRD, divisor >> 6)
    uart.write_uint32(FBRD, divisor & 63)
    uart.write_uint32(LCR_H, 0x70)
    uart.write_uint32(CR, 0x301)
    return uart


def put(uart, data):
    for byte in data:
        uart.write_uint32(DR, byte)


def clear(uart, bits):
    uart.raw_write_value = bits
    uart.write_uint32(ICR, bits)


def test_bytes_go_out_at_the_pace_of_the_baud_rate(uart, sent):
    assert abs(uart.baud / 115200 - 1) < 0.01
    put(uart, b"abc")
    assert bytes(sent) == b"a" and uart.read_uint32(FR) & BUSY  # into the shifter at once
    uart.rp2040.clock.tick(BYTE_NS * 0.9)
    assert bytes(sent) == b"a"
    uart.rp2040.clock.tick(BYTE_NS * 0.2)
    assert bytes(sent) == b"ab"
    for _ in range(3):
        uart.rp2040.clock.tick(BYTE_NS)
    assert bytes(sent) == b"abc"
    assert uart.read_uint32(FR) & (BUSY | TXFE) == TXFE


def test_the_transmit_interrupt_comes_when_the_fifo_drains_and_not_after_a_clear(uart, sent):
    put(uart, bytes(33))  # one in the shifter, 32 in the FIFO
    assert uart.read_uint32(FR) & TXFF and not uart.read_uint32(RIS) & INT_TX
    for _ in range(40):
        uart.rp2040.clock.tick(BYTE_NS)
        if uart.read_uint32(RIS) & INT_TX:
            break
    assert len(sent) == 33 - 16  # half empty, as IFLS says after a reset
    clear(uart, INT_TX)
    assert not uart.read_uint32(RIS) & INT_TX
    uart.rp2040.clock.tick(BYTE_NS)
    assert not uart.read_uint32(RIS) & INT_TX, "once is enough: that is what hung the driver"


def test_reception_raises_its_interrupts_and_masks_them(uart):
    uart.receive(bytes(range(20)))
    for _ in range(14):  # the first one has arrived when ``receive`` is called
        uart.rp2040.clock.tick(BYTE_NS)
    assert not uart.read_uint32(RIS) & INT_RX
    uart.rp2040.clock.tick(BYTE_NS * 1.1)
    assert uart.read_uint32(RIS) & INT_RX and not uart.read_uint32(MIS)
    uart.write_uint32(IMSC, INT_RX)
    assert uart.read_uint32(MIS) == INT_RX
    assert [uart.read_uint32(DR) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert not uart.read_uint32(RIS) & INT_RX


def test_a_few_bytes_are_told_by_the_time_out(uart):
    uart.receive(b"xy")
    uart.rp2040.clock.tick(BYTE_NS * 2.1)
    assert not uart.read_uint32(RIS)
    uart.rp2040.clock.tick(BYTE_NS * 3.3)
    assert uart.read_uint32(RIS) == INT_RT
    assert bytes((uart.read_uint32(DR), uart.read_uint32(DR))) == b"xy"
    assert not uart.read_uint32(RIS) and uart.read_uint32(FR) & RXFE


def test_a_full_fifo_loses_bytes_and_says_so(uart):
    uart.receive(bytes(40))
    for _ in range(41):
        uart.rp2040.clock.tick(BYTE_NS)
    assert uart.lost == 8 and uart.read_uint32(RIS) & INT_OE


# -- the flash chip --------------------------------------------------------------------------------


def command(chip, *data):
    """One command to the chip, between two edges of its select line."""
    chip._tx_buffer = bytearray()
    for byte in data:
        chip._tx_buffer.append(byte)
    chip._apply_command()


def test_commands_reach_the_region_they_are_for():
    seen = []
    chip = FlashChip(RP2040(), lambda *what: seen.append(what) or True)
    chip._write_enabled = True
    command(chip, 0x02, 0x10, 0x00, 0x00, 1, 2, 3)  # page program
    chip._write_enabled = True
    command(chip, 0x20, 0x10, 0x10, 0x00)  # sector erase
    command(chip, 0x20, 0x10, 0x20, 0x00)  # not write-enabled: the latch is gone after each
    assert seen == [(0x02, 0x100000, b"\x01\x02\x03"), (0x20, 0x101000, None)]


def test_the_noise_comes_from_the_seed():
    def bits(seed):
        rosc = Rosc(RP2040(), random.Random(seed))
        return [rosc.read_uint32(0x1C) for _ in range(64)]

    assert bits(1) == bits(1) != bits(2) and set(bits(1)) == {0, 1}
    assert Rosc(RP2040(), random.Random(1)).read_uint32(0x18) & 1 << 31, "stable"
