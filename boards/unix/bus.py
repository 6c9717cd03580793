"""The wires between this process and the bench: one local socket, and the clock that comes over it.

Everything the terminal does to the world is one message to the bench; the bench answers those that
need an answer. While the terminal computes, no time passes; time passes when it sleeps and
while a bus or the flash chip is busy. So a run depends on nothing but its inputs.

A message and an answer look alike (little-endian): body length u16, type u8, time in microseconds
u64, body. Types to the bench, with their bodies; those marked ``=`` are answered:

    i=  I2C write        address u8, data                answer type: 1 acknowledged, 0 not
    I   I2C write        the same, to who acknowledged and was not touched since
    u   UART write       port u8, data
    p   pin driven       pin u8, level u8                only of pins that somebody listens to
    r=  flash read       region u8, sector u16, offset u16, length u16    answer body: the data,
                         and the whole sector where it may be read again without asking
    R   flash reads      region u8, number u16, bytes u32       that were not asked for
    g=  flash program    region u8, sector u16, offset u16, data          answer type: 0 or errno
    e=  flash erase      region u8, sector u16                            answer type: 0 or errno
    f=  flash geometry   region u8                       answer body: sectors u16, unit u16
    w   watchdog         time-out in ms u32 (0: fed)
    s=  sleep            wake-up time in us u64          answer body: until when nothing will happen
                                                         by itself, u64; what happened before
    t   the time         at the end of a firmware that ended
    n=  random bytes     count u8                        answer body: that many
    x   reset
    m   measurements     text, the answer to event ``m``

Messages that are not answered wait here until one is: nobody can tell the difference, for the bench
does nothing but listen while the terminal runs, and every message has its time in it. A pipe that
is used rarely is what makes the bench fast. For the same reason a short sleep in which nothing can
happen, as the bench has said, is not told: the clock just goes on.

What happened meanwhile is a sequence of: type u8, length u16, data.

    u   bytes on a UART  port u8, data
    c   contacts         pairs of pin numbers that are connected now
    k   I2C changed      whoever acknowledged must be asked again
    m   wanted           measurements of the heap and the loop
"""

import os
import struct
import sys

_HEAD = "<HBQ"
_HEAD_SIZE = 11

_socket = open(int(os.getenv("MOBI_BUS")), "r+b")
_head = bytearray(_HEAD_SIZE)
# What is not told yet, and how much of it.
_out = bytearray(4096)
_view = memoryview(_out)
_used = 0
# Tell everything at once: at a prompt a person wants to see what a line does.
_AT_ONCE = os.getenv("MOBI_BUS_AT_ONCE")

# Microseconds since power-on.
now_us = 0
# Until then nothing happens as long as nothing is told, and short sleeps need no bench. Long ones
# do: it looks whether the terminal is quiet.
_nothing_until = 0
_SHORT_US = 100000
# Called before the bench gets its turn; the flash puts itself here.
before_sleep = None
# Called with the data of an event; the modules that own the hardware put themselves here.
on_event = {}


def spend(us):
    """Let ``us`` microseconds pass while the processor is busy with a transfer."""
    global now_us
    now_us += us


def tell(kind, body):
    """Send a message that is not answered."""
    global _used, _nothing_until
    _nothing_until = 0
    size = len(body)
    if _used + _HEAD_SIZE + size > len(_out):
        flush()
    struct.pack_into(_HEAD, _out, _used, size, kind, now_us)
    _used += _HEAD_SIZE
    if _used + size > len(_out):
        flush()
        _socket.write(body)
    elif size:
        _out[_used : _used + size] = body
        _used += size
    if _AT_ONCE:
        flush()


def flush():
    """Send what waits."""
    global _used
    if _used:
        _socket.write(_view[:_used])
        _used = 0


def ask(kind, body):
    """Send a message; its answer as (type, body). The clock goes on to the answer's time."""
    global now_us
    tell(kind, body)
    flush()
    if _socket.readinto(_head) != _HEAD_SIZE:
        raise SystemExit  # the bench is gone: so is the power
    size, kind, now_us = struct.unpack_from(_HEAD, _head, 0)
    return kind, _socket.read(size) if size else b""


def _end():
    # A firmware that ends by an error has still done what it did, and at that time.
    if before_sleep is not None:
        before_sleep()
    tell(ord("t"), b"")
    flush()


sys.atexit(_end)


def sleep_until(us):
    """Sleep to ``us`` or until something happens; what happened goes to ``on_event``."""
    global now_us, _nothing_until
    if not _AT_ONCE and us < _nothing_until and us - now_us <= _SHORT_US:
        now_us = max(us, now_us)
        return
    if before_sleep is not None:
        before_sleep()
    _, events = ask(ord("s"), struct.pack("<Q", us))
    (_nothing_until,) = struct.unpack_from("<Q", events, 0)
    at = 8
    while at < len(events):
        kind, size = struct.unpack_from("<BH", events, at)
        on_event[kind](events[at + 3 : at + 3 + size])
        at += 3 + size
