"""The flash chip of the unix board behind MicroPython's extended block-device interface."""

import struct

import bus

SECTOR = 4096


class Flash:
    """One region of the bench's NOR model. ``unit``: how many bytes a program must be long."""

    _all = []

    def __init__(self, region):
        self._region = region
        # The sector that was read last, as long as nobody can have changed it: a start-up reads it
        # in hundreds of pieces. How many of them, and their bytes, the bench is told later.
        self._sector = bytearray(SECTOR)
        self._holds = -1
        self._reads = 0
        self._bytes = 0
        Flash._all.append(self)
        _, geometry = bus.ask(ord("f"), bytes((region,)))
        self._sectors, self.unit = struct.unpack("<HH", geometry)

    def readblocks(self, sector, buffer, offset=0):
        at = 0
        while at < len(buffer):  # a message carries at most 64 KiB; a sector is less
            size = min(len(buffer) - at, SECTOR)
            where = sector * SECTOR + offset + at
            inside = where % SECTOR
            if where // SECTOR == self._holds and inside + size <= SECTOR:
                buffer[at : at + size] = self._sector[inside : inside + size]
                self._reads += 1
                self._bytes += size
            else:
                self.forget()
                status, data = bus.ask(
                    ord("r"),
                    struct.pack("<BHHH", self._region, where // SECTOR, inside, size),
                )
                if status:
                    return -status
                if len(data) > size:
                    self._sector[:] = memoryview(data)[size:]
                    self._holds = where // SECTOR
                    data = memoryview(data)[:size]
                buffer[at : at + size] = data
            at += size
        return 0

    def forget(self):
        """Ask the bench again, and tell it what was read without asking."""
        self._holds = -1
        if self._reads:
            bus.tell(ord("R"), struct.pack("<BHI", self._region, self._reads, self._bytes))
            self._reads = self._bytes = 0

    def writeblocks(self, sector, data, offset=None):
        if offset is None:
            raise OSError(95)  # the simple interface would erase; nothing here may use it
        self.forget()
        head = struct.pack("<BHH", self._region, sector, offset)
        status, _ = bus.ask(ord("g"), head + bytes(data))
        return -status

    def ioctl(self, request, arg):
        if request == 4:
            return self._sectors
        if request == 5:
            return SECTOR
        if request == 6:
            self.forget()
            status, _ = bus.ask(ord("e"), struct.pack("<BH", self._region, arg))
            return -status
        return 0


def _forget():
    for flash in Flash._all:
        flash.forget()


# While the terminal sleeps the bench may do anything to its chips.
bus.before_sleep = _forget
