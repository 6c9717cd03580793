"""The flash chip of the unix board behind MicroPython's extended block-device interface."""

import struct

import bus

SECTOR = 4096


class Flash:
    """One region of the bench's NOR model. ``unit``: how many bytes a program must be long."""

    def __init__(self, region):
        self._region = region
        _, geometry = bus.ask(ord("f"), bytes((region,)))
        self._sectors, self.unit = struct.unpack("<HH", geometry)

    def readblocks(self, sector, buffer, offset=0):
        at = 0
        while at < len(buffer):  # a message carries at most 64 KiB; a sector is less
            size = min(len(buffer) - at, SECTOR)
            where = sector * SECTOR + offset + at
            status, data = bus.ask(
                ord("r"),
                struct.pack("<BHHH", self._region, where // SECTOR, where % SECTOR, size),
            )
            if status:
                return -status
            buffer[at : at + size] = data
            at += size
        return 0

    def writeblocks(self, sector, data, offset=None):
        if offset is None:
            raise OSError(95)  # the simple interface would erase; nothing here may use it
        head = struct.pack("<BHH", self._region, sector, offset)
        status, _ = bus.ask(ord("g"), head + bytes(data))
        return -status

    def ioctl(self, request, arg):
        if request == 4:
            return self._sectors
        if request == 5:
            return SECTOR
        if request == 6:
            status, _ = bus.ask(ord("e"), struct.pack("<BH", self._region, arg))
            return -status
        return 0
