"""The flash region below journal and vault: verified programs and erases, nothing remembered.

Every method answers False instead of raising when the chip or its driver fails; what a failure
means is the business of the layer above. A program or an erase has succeeded only when it reads
back. ``ioctl(3)`` follows every operation, so that a driver that queues its writes lands them in
the order in which they were asked for.
"""

from micropython import const

SECTOR = const(4096)
PAGE = const(256)
BLANK = b"\xff" * 256

_SYNC = const(3)
_SECTORS = const(4)
_SECTOR_SIZE = const(5)
_ERASE = const(6)


class Medium:
    """``flash``: extended block device. ``unit``: what it programs: 1 any length, 256 pages."""

    def __init__(self, flash, unit):
        if unit != 1 and unit != PAGE:
            raise ValueError("the programming unit must be 1 or 256")
        if flash.ioctl(_SECTOR_SIZE, 0) != SECTOR:
            raise ValueError("sectors of 4096 bytes are needed")
        self._flash = flash
        self._unit = unit
        self.sectors = flash.ioctl(_SECTORS, 0)
        # One page: what is going to be programmed, what is read back, what is being searched.
        self.page = bytearray(PAGE)
        self.view = memoryview(self.page)
        self.held = -1  # which page of the region ``page`` holds; -1: none
        # Sectors of which one bit is known to be wrong: {sector: (offset, mask)}.
        self.mended = {}

    def read(self, sector, offset, buffer):
        """Fill ``buffer`` from ``offset`` on."""
        try:
            bad = (self._flash.readblocks(sector, buffer, offset) or 0) < 0
        except OSError:
            return False
        if self.mended and sector in self.mended:
            at, mask = self.mended[sector]
            if offset <= at < offset + len(buffer):
                buffer[at - offset] ^= mask
        return not bad

    def hold(self, sector, number):
        """Bring page ``number`` (0 to 15) of ``sector`` into ``page``."""
        which = sector << 4 | number
        if self.held == which:
            return True
        self.held = -1
        if not self.read(sector, number << 8, self.page):
            return False
        self.held = which
        return True

    def program(self, sector, offset, data, size):
        """Program ``size`` bytes of the memoryview ``data``, by pages; True when all read back."""
        self.held = -1
        page = self.page
        view = self.view
        done = 0
        while done < size:
            at = offset + done
            i = at & 255
            n = PAGE - i
            if n > size - done:
                n = size - done
            piece = data[done : done + n]
            try:
                if self._unit == 1:
                    bad = self._flash.writeblocks(sector, piece, at)
                else:
                    page[:] = BLANK
                    view[i : i + n] = piece
                    bad = self._flash.writeblocks(sector, page, at - i)
                self._flash.ioctl(_SYNC, 0)
            except OSError:
                return False
            back = view[:n]
            if (bad or 0) < 0 or not self.read(sector, at, back) or back != piece:
                return False
            done += n
        return True

    def erase(self, sector):
        """Erase; only asked for, ``is_blank`` tells whether it worked."""
        self.held = -1
        self.mended.pop(sector, None)
        try:
            bad = self._flash.ioctl(_ERASE, sector) or 0
            self._flash.ioctl(_SYNC, 0)
        except OSError:
            return False
        return bad >= 0

    def is_blank(self, sector, number):
        """Is page ``number`` of ``sector`` erased?"""
        return self.hold(sector, number) and self.page == BLANK
