"""MicroPython's ``select.poll`` on the bench: the one place where the terminal sleeps."""

import bus

POLLIN = 1
POLLOUT = 4
POLLERR = 8
POLLHUP = 16

_NEVER = (1 << 63) - 1
_MP_STREAM_POLL = 3


class poll:
    """Streams are asked through their ``ioctl``, as MicroPython's own poll asks them."""

    def __init__(self):
        self._streams = []

    def register(self, stream, flags=POLLIN | POLLOUT):
        self._streams.append((stream, flags))

    def poll(self, timeout=-1):
        until = _NEVER if timeout is None or timeout < 0 else bus.now_us + timeout * 1000
        while True:
            ready = None
            for stream, flags in self._streams:
                found = stream.ioctl(_MP_STREAM_POLL, flags)
                if found:
                    ready = ready or []
                    ready.append((stream, found))
            if ready or bus.now_us >= until:
                return ready or []
            bus.sleep_until(until)

    ipoll = poll
