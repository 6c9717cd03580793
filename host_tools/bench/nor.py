"""A serial NOR flash chip: its rules, its times, its wear, and how power cuts leave it.

Runs under CPython (the bench, the tests) and under MicroPython (the same tests there), so it
imports nothing of the project.

The chip: sectors of 4096 bytes, pages of 256. A program only clears bits, an erase sets a whole
sector. Times are those of the W25Q16JV and W25Q128JV data sheets (AC characteristics): page
program 0.4 ms typical and 3 ms maximum, sector erase 45 and 400 ms, 100 000 erases per sector. A
program of less than a page is charged in full, for the data sheets give no shorter time. Reading
is charged with 1 us a command and 0.16 us a byte (one data line at 50 MHz); ``read_byte_ns=40``
is four data lines, as the RP2040 reads.

A power cut leaves the operation it hits in one of these ways (``MODES``):

    none    it did not begin
    prefix  a program wrote the first bytes, the last of them with a random part of its bits;
            an erase set a random part of the bits
    bits    a program cleared a random part of its bits everywhere; an erase left noise or zeros
    full    it ended, but nobody was told
    weak1   it as good as ended, but one to four of the cells it changed are unstable: they read
            differently from one read to the next until the sector is erased
    weak0   it had hardly begun, but one to four of the cells it was to change are unstable
"""

import errno

SECTOR = 4096
PAGE = 256

PROGRAM_NS = (400000, 3000000)  # typical, maximum
ERASE_NS = (45000000, 400000000)
COMMAND_NS = 1000
BYTE_NS = 160

MODES = ("none", "prefix", "bits", "full", "weak1", "weak0")

_BLANK = b"\xff" * PAGE
_BLANK_SECTOR = b"\xff" * SECTOR
# What a broken sector does instead of what it was told.
FAULTS = ("program error", "program wrong", "erase error", "erase wrong", "read error")


class PowerCut(Exception):
    """Power failed in a flash operation. Nothing runs any more until ``revive``."""


class RuleBroken(Exception):
    """The program did what the chip forbids: a mistake in the code that uses it."""


class Random:
    """xorshift32: small, and the same numbers on every interpreter."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 88172645463325252) & 0xFFFFFFFF or 1

    def next(self):
        """32 random bits."""
        s = self.state
        s ^= (s << 13) & 0xFFFFFFFF
        s ^= s >> 17
        s ^= (s << 5) & 0xFFFFFFFF
        self.state = s
        return s

    def below(self, n):
        """A number from 0 to n - 1."""
        return (self.next() >> 4) % n

    def bytes(self, n):
        """n random bytes."""
        out = bytearray(n)
        for i in range(0, n, 4):
            out[i : i + 4] = self.next().to_bytes(4, "little")[: n - i]
        return out


class _Fuse:
    # Counts the operations of all chips that share it; the one that finds it at 0 dies.
    def __init__(self, left, mode, prefix):
        self.left = left
        self.mode = mode
        self.prefix = prefix


class Nor:
    """One chip, or one region of it, behind MicroPython's extended block-device interface.

    ``size``: bytes, whole sectors. ``image``: what it holds, blank without. ``unit``: 1 for a
    driver that programs any length (esp32), 256 for one that takes whole pages (rp2). ``seed``:
    for torn operations and unstable cells. ``queued``: a driver that lands writes only at
    ``ioctl(3)``, in any order. ``cells``: a bytearray of that size to be the cells, where memory
    is too scarce to take a new one. ``strict``: programming a byte twice raises ``RuleBroken``
    (the chip allows it where it only clears bits; parts with error correction do not).
    """

    def __init__(
        self,
        size,
        image=None,
        unit=1,
        seed=1,
        queued=False,
        read_byte_ns=BYTE_NS,
        cells=None,
        strict=True,
    ):
        if size % SECTOR or not size:
            raise ValueError("the size must be whole sectors of 4096 bytes")
        if image is not None and len(image) != size:
            raise ValueError("the image has another size")
        self.size = size
        self.sectors = size // SECTOR
        self.unit = unit
        self.mem = bytearray(size) if cells is None else cells
        if image is None:
            for s in range(self.sectors):
                self.mem[s * SECTOR : (s + 1) * SECTOR] = _BLANK_SECTOR
        else:
            self.mem[:] = image
        self.random = Random(seed)
        self.weak = {}  # address -> bits that read at random
        self.faults = {}  # sector -> one of FAULTS
        self.wear = [0] * self.sectors
        self.dead = False
        # Programming a byte twice is a mistake, even where it only clears bits.
        self.strict = strict
        self.read_byte_ns = read_byte_ns
        # Called before an operation: (kind, sector, offset, length, us). May raise PowerCut.
        self.on_op = None
        # A list takes every operation as (address, data); data is None for an erase.
        self.trace = None
        self._fuse = None
        self._landed = bytearray(self.mem) if queued else None
        self._queue = []
        self.reset_counters()

    def reset_counters(self):
        """Count from zero again; wear stays."""
        self.ops = 0  # page programs and sector erases
        self.programs = 0
        self.erases = 0
        self.reads = 0
        self.sent_bytes = 0
        self.changed_bytes = 0  # bytes of which at least one bit changed from 1 to 0
        self.read_bytes = 0
        self.typ_ns = 0
        self.max_ns = 0

    @property
    def typ_us(self):
        """Microseconds the chip has been busy, typical times."""
        return self.typ_ns / 1000

    @property
    def max_us(self):
        """The same with the data sheet's maximum times."""
        return self.max_ns / 1000

    # -- the block device -----------------------------------------------------------------------

    def readblocks(self, sector, buffer, offset=0):
        """Read ``len(buffer)`` bytes; 0 or a negative errno."""
        size = len(buffer)
        at = sector * SECTOR + offset
        if self.dead or (self.faults and self.faults.get(sector) == "read error"):
            return -errno.EIO
        if at < 0 or at + size > self.size:
            return -errno.EINVAL
        buffer[:] = memoryview(self.mem)[at : at + size]
        if self.weak:
            for address in sorted(self.weak):
                if at <= address < at + size:
                    bits = self.weak[address]
                    i = address - at
                    buffer[i] = (buffer[i] & ~bits & 0xFF) | (self.random.next() >> 8 & bits)
        self.count_reads(1, size)
        return 0

    def count_reads(self, number, size):
        """Charge ``number`` reads of ``size`` bytes together."""
        self.reads += number
        self.read_bytes += size
        took = COMMAND_NS * number + self.read_byte_ns * size
        self.typ_ns += took
        self.max_ns += took

    def steady(self, sector):
        """All of a sector, when every read gives the same until it is written; else nothing."""
        if self.dead or self.weak or self.faults or self.on_op is not None:
            return b""
        return bytes(self.mem[sector * SECTOR : (sector + 1) * SECTOR])

    def writeblocks(self, sector, data, offset=None):
        """Program ``data``; never erases. 0 or a negative errno."""
        if offset is None:
            raise RuleBroken("writeblocks without an offset would erase")
        size = len(data)
        at = sector * SECTOR + offset
        if self.dead:
            return -errno.EIO
        if at < 0 or at + size > self.size:
            return -errno.EINVAL
        if at % self.unit or size % self.unit:
            raise RuleBroken(f"this driver programs whole units of {self.unit} bytes")
        view = memoryview(data)
        done = 0
        while done < size:
            piece = min(PAGE - (at + done) % PAGE, size - done)
            if self._program(at + done, bytes(view[done : done + piece])):
                return -errno.EIO
            done += piece
        return 0

    def ioctl(self, request, arg):
        """3 lands what is queued, 4 gives sectors, 5 their size, 6 erases sector ``arg``."""
        if request == 4:
            return self.sectors
        if request == 5:
            return SECTOR
        if self.dead:
            return -errno.EIO
        if request == 3:
            if self._landed is not None:
                self._landed[:] = self.mem
                self._queue = []
            return 0
        if request == 6:
            if not 0 <= arg < self.sectors:
                return -errno.EINVAL
            return -errno.EIO if self._erase(arg) else 0
        return -errno.EINVAL

    # -- operations: each is one place where power can fail -------------------------------------

    def _begin(self, kind, address, data):
        size = SECTOR if data is None else len(data)
        try:
            if self.on_op is not None:
                ns = ERASE_NS[0] if data is None else PROGRAM_NS[0]
                self.on_op(kind, address // SECTOR, address % SECTOR, size, ns // 1000)
            if self._fuse is not None:
                if self._fuse.left == 0:
                    raise PowerCut(self.ops)
                self._fuse.left -= 1
        except PowerCut:
            self._fail(address, data)
            raise
        if self.trace is not None:
            self.trace.append((address, data))
        if self._landed is not None:
            self._queue.append((address, data))
        self.ops += 1

    def _program(self, address, data):
        size = len(data)
        old = bytes(self.mem[address : address + size])
        if self.strict and old != _BLANK[:size]:
            for i in range(size):
                if old[i] != 0xFF and data[i] != 0xFF:
                    raise RuleBroken(f"byte {address + i} is programmed twice")
        self._begin("program", address, data)
        self.programs += 1
        self.sent_bytes += size
        self.changed_bytes += size - data.count(b"\xff")
        took = COMMAND_NS + BYTE_NS * size
        self.typ_ns += PROGRAM_NS[0] + took
        self.max_ns += PROGRAM_NS[1] + took
        fault = self.faults.get(address // SECTOR) if self.faults else None
        if fault in ("program error", "program wrong"):
            # Some of the bits do not want to become 0.
            wrong = _or(data, self.random.bytes(size))
            self.mem[address : address + size] = _and(old, wrong)
            return fault == "program error"
        if self.weak:
            for cell in list(self.weak):
                if address <= cell < address + size:
                    self._set_weak(cell, self.weak[cell] & data[cell - address])  # a 0 is firm now
        self.mem[address : address + size] = _and(old, data)
        return False

    def _erase(self, sector):
        address = sector * SECTOR
        self._begin("erase", address, None)
        self.erases += 1
        self.wear[sector] += 1
        self.typ_ns += COMMAND_NS + ERASE_NS[0]
        self.max_ns += COMMAND_NS + ERASE_NS[1]
        fault = self.faults.get(sector) if self.faults else None
        if fault in ("erase error", "erase wrong"):
            stuck = self.random.bytes(64)
            for i in range(64):
                self.mem[address + 64 * i] |= stuck[i]
            return fault == "erase error"
        self._firm(address)
        self.mem[address : address + SECTOR] = _BLANK_SECTOR
        return False

    def _firm(self, address):
        for cell in list(self.weak):
            if address <= cell < address + SECTOR:
                del self.weak[cell]

    def _set_weak(self, cell, bits):
        if bits:
            self.weak[cell] = bits
        else:
            del self.weak[cell]

    # -- power ----------------------------------------------------------------------------------

    def cut_after(self, ops, torn=True, shared=None, mode=None, prefix=None):
        """Cut the power at the ``ops``-th operation from now; 0 is the next one.

        ``torn``: the operation is hit in its middle and leaves what a real chip leaves (a random
        mode); otherwise it does not begin. ``mode``: one of ``MODES`` instead. ``prefix``: for a
        program, how many bytes are written, the last of them in part. ``shared``: chips that lose
        power together and whose operations count together.
        """
        if mode is None:
            mode = MODES[(1, 2, 4, 5)[self.random.below(4)]] if torn else "none"
        fuse = _Fuse(ops, mode, prefix)
        for chip in shared or (self,):
            chip._fuse = fuse

    @property
    def armed(self):
        """How many operations come before a cut that was ordered; None without one."""
        return None if self._fuse is None else self._fuse.left

    def disarm(self):
        """Forget a cut that was ordered and has not come."""
        self._fuse = None

    def _fail(self, address, data):
        fuse = self._fuse or _Fuse(0, "none", None)
        if self._landed is not None:
            self._land_some()
        self.tear(address, data, fuse.mode, fuse.prefix)
        self.dead = True

    def _land_some(self):
        # Of what the driver had queued any part may have landed, in any order.
        queue = self._queue
        self.mem[:] = self._landed
        self._queue = []
        while queue:
            address, data = queue.pop(self.random.below(len(queue)))
            if self.random.below(2):
                self.tear(address, data, "full", None)

    def tear(self, address, data, mode, prefix=None):
        """Leave the chip as this operation leaves it when cut. ``data`` None: an erase."""
        size = SECTOR if data is None else len(data)
        old = bytes(self.mem[address : address + size])
        goal = b"\xff" * size if data is None else _and(old, data)
        if mode == "none":
            return
        if mode == "full":
            new = goal
        elif mode == "weak0":
            new = old
        elif mode == "weak1":
            new = goal
        elif data is None:
            noise = self.random.bytes(size)
            if mode == "prefix":
                new = _or(old, noise)
            else:
                # An erase first programs everything to 0: a cut leaves zeros or a mixture.
                new = bytes(size) if self.random.below(3) == 0 else bytes(noise)
        elif mode == "prefix":
            k = self.random.below(size) if prefix is None else prefix
            last = goal[k] | (old[k] & self.random.next() & 0xFF)
            new = goal[:k] + bytes((last,)) + old[k + 1 :]
        else:
            new = _or(goal, _and(old, self.random.bytes(size)))
        if data is None:
            self._firm(address)
        self.mem[address : address + size] = new
        if mode in ("weak0", "weak1"):
            self._weaken(address, old, goal)
        if self._landed is not None:
            self._landed[:] = self.mem

    def _weaken(self, address, old, goal):
        changing = [i for i in range(len(old)) if old[i] != goal[i]]
        if not changing:
            return
        for _ in range(1 + self.random.below(4)):
            i = changing[self.random.below(len(changing))]
            bits = old[i] ^ goal[i]
            bit = 1 << self.random.below(8)
            while not bits & bit:
                bit = bit << 1 if bit < 128 else 1
            self.weak[address + i] = self.weak.get(address + i, 0) | bit
            self.mem[address + i] |= bit  # an unstable cell is not a firm 0

    def revive(self):
        """Power is back: only the cells have survived."""
        self.dead = False
        self._fuse = None
        self._queue = []
        if self._landed is not None:
            self._landed[:] = self.mem

    # -- images ---------------------------------------------------------------------------------

    def load(self, image):
        """Take over an image; its cells are firm."""
        if len(image) != self.size:
            raise ValueError("the image has another size")
        self.mem[:] = image
        self.weak = {}
        self.revive()

    def save(self, path):
        """Write the image to a file."""
        with open(path, "wb") as file:
            file.write(self.mem)


def _and(a, b):
    size = len(a)
    both = int.from_bytes(a, "little") & int.from_bytes(b, "little")
    return both.to_bytes(size, "little")


def _or(a, b):
    size = len(a)
    both = int.from_bytes(a, "little") | int.from_bytes(b, "little")
    return both.to_bytes(size, "little")
