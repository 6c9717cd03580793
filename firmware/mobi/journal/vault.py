"""A small power-safe store of keys and values: keys, parameters, operators and their lock-outs.

Two sectors take turns. A change is appended to the one that counts; when that is full, after a
deletion, and at every start-up, what is alive is copied into the other, which counts only once its
seal is written; then the old one is erased, so that deleted values are gone from the chip. docs/
journal.md describes the format and why unstable cells cannot confuse it.
"""

import struct
from binascii import crc32

from micropython import const

from mobi.journal.medium import BLANK, PAGE, SECTOR, Medium

MAGIC = b"MoV"
VERSION = const(1)

_HEAD = const(16)
_FRAME = const(7)  # length of the key, length of the value (2 bytes), CRC (4 bytes)
_DELETED = const(0xFFFF)
# Keys that begin so hold secrets: their replaced values are erased soon.
SECRET = b"k"
KEY_MAX = const(32)
VALUE_MAX = const(1024)
# The last page holds the seals, 8 bytes each.
_SEALS = const(3840)
_READINGS = const(8)


class VaultFull(Exception):
    """The live values do not fit any more. Nothing was changed."""


class Vault:
    """``flash``: a block device with at least two sectors of 4096 bytes. ``unit``: 1 or 256."""

    READY = 1
    EMPTY = 2  # never used, or not a vault: only ``format`` can make it one
    DAMAGED = 3  # it works, but values may have been lost; ``damage`` counts the places

    def __init__(self, flash, unit):
        self._medium = Medium(flash, unit)
        if self._medium.sectors < 2:
            raise ValueError("a vault has at least two sectors")
        self._buf = bytearray(_FRAME + KEY_MAX + VALUE_MAX)
        self._view = memoryview(self._buf)
        self._bad = set()
        self._clear()

    def _clear(self):
        self._index = {}  # key -> (offset, size) of its value
        self._sector = -1
        self._old = -1  # a sector with values that must be erased
        self._shred = False
        self._off = 0
        self._seq = 0
        self._seed = 0
        self.wear = 0
        self.damage = 0

    # -- the interface -------------------------------------------------------------------------

    def mount(self):
        """Find the values after power-on: READY, DAMAGED or EMPTY. Never formats."""
        self._clear()
        newest = -1
        for s in range(min(self._medium.sectors, 2)):
            head = self._head_of(s)
            if head is not None and self._sealed(s, head[1]):
                if newest < 0 or (head[0] - self._seq) & 0xFFFFFFFF < 0x80000000:
                    newest = s
                    self._seq, self._seed, self.wear = head
        if newest < 0:
            return self.EMPTY
        self._sector = newest
        limit = _SEALS
        for reading in range(_READINGS + 1):
            last = self._scan(limit)
            if reading == 0:
                # From here on this sector counts, whatever its first seal reads like later.
                self._seal()
            if self._rewrite():
                break
            if reading == _READINGS - 1:
                limit = last  # it does not read the same twice: it was never finished
        return self.DAMAGED if self.damage else self.READY

    def format(self):
        """Erase both sectors and begin an empty vault."""
        self._clear()
        for s in range(2):
            if not self._erase(s):
                self._bad.add(s)
        self._seq = 1
        for s in range(2):
            if s not in self._bad and self._found(s, 1, {}):
                return
        raise OSError(5)

    def get(self, key):
        """The value of ``key`` as bytes; None when there is none or it does not read right."""
        key = bytes(key)
        place = self._index.get(key)
        if place is None or self._load(place[0] - 3 - len(key)) is None:
            return None
        return bytes(self._view[3 + len(key) : 3 + len(key) + place[1]])

    def put(self, key, value):
        """Store ``value`` (up to 1024 bytes); durable before it returns. ``VaultFull``.

        The old value of a secret (a key that begins with ``SECRET``) is erased by ``idle``.
        """
        key = bytes(key)
        if not 0 < len(key) <= KEY_MAX or len(value) > VALUE_MAX:
            raise ValueError("a key has 1 to 32 bytes, a value up to 1024")
        if self.get(key) == bytes(value):
            return
        if key in self._index and key[:1] == SECRET:
            self._shred = True
        self._change(key, value, len(value))

    def delete(self, key):
        """Forget ``key``; durable before it returns. ``idle`` or ``shred`` erases the value."""
        key = bytes(key)
        if key in self._index:
            self._change(key, b"", _DELETED)
            self._shred = True

    def keys(self, prefix=b""):
        """The keys that begin with ``prefix``, sorted."""
        return sorted(key for key in self._index if key[: len(prefix)] == prefix)

    def shred(self):
        """Erase deleted and replaced values from the chip, now (one or two erases)."""
        if self._sector >= 0:
            self._rewrite()
            self._erase_old()

    def idle(self):
        """One step of background work; True when there is more."""
        if self._old >= 0:
            self._erase_old()
            return self._shred
        if self._shred:
            self._rewrite()
            self._shred = False
            return True
        return False

    # -- reading -------------------------------------------------------------------------------

    def _head_of(self, s):
        # (sequence, CRC seed, wear) or None.
        head = bytearray(_HEAD)
        if not self._medium.read(s, 0, head) or head[:3] != MAGIC or head[3] != VERSION:
            return None
        seq, wear, crc = struct.unpack_from("<III", head, 4)
        if crc32(memoryview(head)[:12]) != crc:
            return None
        return seq, crc32(memoryview(head)[:8]), wear

    def _sealed(self, s, seed):
        # Is there a whole seal? Each is: 0, place number, CRC.
        page = bytearray(PAGE)
        if not self._medium.read(s, _SEALS, page):
            return False
        for at in range(0, PAGE, 8):
            crc = struct.unpack_from("<I", page, at + 2)[0]
            if page[at + 1] == at >> 3 and crc == crc32(memoryview(page)[at + 1 : at + 2], seed):
                return True
        return False

    def _load(self, off):
        # The record at ``off`` into the buffer: (size of key, of value, of all), or None.
        view = self._view
        if off + _FRAME > _SEALS or not self._medium.read(self._sector, off, view[:3]):
            return None
        keys = self._buf[0]
        size = stored = self._buf[1] | self._buf[2] << 8
        if stored == _DELETED:
            size = 0
        total = _FRAME + keys + size
        if not 0 < keys <= KEY_MAX or size > VALUE_MAX or off + total > _SEALS:
            return None
        if not self._medium.read(self._sector, off, view[:total]):
            return None
        crc = struct.unpack_from("<I", self._buf, total - 4)[0]
        if crc32(view[: total - 4], self._seed ^ off) != crc:
            return None
        return keys, stored, total

    def _scan(self, limit):
        # Build the index; the place of the last record.
        self._index = {}
        self.damage = 0
        medium = self._medium
        off = last = end = _HEAD
        gap = False
        while off + _FRAME <= limit and medium.hold(self._sector, off >> 8):
            found = None
            if 0 < medium.page[off & 255] <= KEY_MAX:
                found = self._load(off)
            if found is None:
                at = off & 255
                if medium.page[at] != 0xFF:
                    gap = True
                elif medium.view[at:] == BLANK[at:]:
                    off |= 255  # most of a vault is blank: not byte by byte
                off += 1
                continue
            self.damage += gap
            gap = False
            keys, stored, total = found
            key = bytes(self._view[3 : 3 + keys])
            if stored == _DELETED:
                self._index.pop(key, None)
            else:
                self._index[key] = (off + 3 + keys, stored)
            last = off
            off += total
            end = off
        self._off = end
        return last

    # -- writing -------------------------------------------------------------------------------

    def _change(self, key, value, stored):
        if self._sector < 0:
            raise OSError(19)  # not mounted
        if self._off + _FRAME + len(key) + len(value) <= _SEALS:
            if self._append(key, value, stored):
                return
            self._bad.add(self._sector)
        live = _HEAD + _FRAME + len(key) + len(value)
        for other, place in self._index.items():
            if other != key:
                live += _FRAME + len(other) + place[1]
        if live > _SEALS:
            raise VaultFull("the live values do not fit")
        before = self._sector
        self._rewrite(key, value, stored)
        if self._sector == before:
            raise OSError(5)  # neither sector takes it

    def _append(self, key, value, stored):
        off = self._off
        total = self._frame(key, value, stored, off, self._seed)
        if not self._medium.program(self._sector, off, self._view, total):
            return False
        self._off = off + total
        if stored == _DELETED:
            self._index.pop(key, None)
        else:
            self._index[key] = (off + 3 + len(key), stored)
        return True

    def _frame(self, key, value, stored, off, seed):
        buf = self._buf
        keys = len(key)
        buf[0] = keys
        buf[1] = stored & 255
        buf[2] = stored >> 8
        buf[3 : 3 + keys] = key
        end = 3 + keys + len(value)
        buf[3 + keys : end] = value
        struct.pack_into("<I", buf, end, crc32(self._view[:end], seed ^ off))
        return end + 4

    def _rewrite(self, key=None, value=b"", stored=_DELETED):
        """Copy what is alive into the other sector, with one value changed on the way.

        False when a value reads differently now.
        """
        other = 1 - self._sector
        wear = self._wear_after(other)
        if other in self._bad or not self._erase(other):
            self._bad.add(other)
            self._keep_away()
            return True  # the one that is left has to do
        if other == self._old:
            self._old = -1
        return self._found(other, wear, self._index, key, value, stored)

    def _keep_away(self):
        # There is no other sector: go on in this one, behind anything that was ever touched.
        off = _SEALS
        while off > self._off and self._medium.is_blank(self._sector, (off >> 8) - 1):
            off -= PAGE
        if off > self._off:
            self._off = off

    def _wear_after(self, s):
        head = self._head_of(s)
        return self.wear + 1 if head is None else head[2] + 1

    def _erase(self, s):
        if not self._medium.erase(s):
            return False
        for number in range(SECTOR // PAGE):
            if not self._medium.is_blank(s, number):
                return False
        return True

    def _found(self, s, wear, index, key=None, value=b"", stored=_DELETED):
        # Make the erased sector ``s`` the one that counts: values, head, seal. The order matters.
        seq = self._seq + 1 & 0xFFFFFFFF
        head = bytearray(_HEAD)
        head[:3] = MAGIC
        head[3] = VERSION
        struct.pack_into("<II", head, 4, seq, wear)
        view = memoryview(head)
        struct.pack_into("<I", head, 12, crc32(view[:12]))
        seed = crc32(view[:8])
        off = _HEAD
        names = sorted(index)  # the same bytes on every kind of Python
        for name in names:
            if name == key:
                continue  # its new value comes last
            at, size = index[name]
            if self._load(at - 3 - len(name)) is None:
                return False
            data = bytes(self._view[3 + len(name) : 3 + len(name) + size])
            total = self._frame(name, data, size, off, seed)
            if not self._medium.program(s, off, self._view, total):
                self._bad.add(s)
                return True
            off += total
        if stored != _DELETED:
            total = self._frame(key, value, stored, off, seed)
            if not self._medium.program(s, off, self._view, total):
                self._bad.add(s)
                return True
        before = (self._sector, self._seq, self._seed, self.wear)
        self._sector, self._seq, self._seed, self.wear = s, seq, seed, wear
        if not self._medium.program(s, 0, view, _HEAD) or not self._seal():
            self._bad.add(s)
            self._sector, self._seq, self._seed, self.wear = before
            return True
        # In place: another table of that size may not fit between what lives in the heap.
        index.pop(key, None)
        off = _HEAD
        for name in names:
            if name == key:
                continue
            size = index[name][1]
            index[name] = (off + 3 + len(name), size)
            off += _FRAME + len(name) + size
        if stored != _DELETED:
            index[key] = (off + 3 + len(key), stored)
            off += total
        self._off = off
        self._index = index
        self._old = before[0]
        self._shred = False
        return True

    def _seal(self):
        # The first byte of a seal is always 0 and comes first: the next attempt sees it, or writes
        # the same again, and never writes over what an interrupted one has touched unseen.
        page = bytearray(PAGE)
        if not self._medium.read(self._sector, _SEALS, page):
            return False
        at = PAGE
        while at and page[at - 8 : at] == BLANK[:8]:
            at -= 8
        if at == PAGE:
            return False
        seal = bytearray(6)
        seal[1] = at >> 3
        view = memoryview(seal)
        struct.pack_into("<I", seal, 2, crc32(view[1:2], self._seed))
        return self._medium.program(self._sector, _SEALS + at, view, 1) and self._medium.program(
            self._sector, _SEALS + at + 1, view[1:], 5
        )

    def _erase_old(self):
        if self._old >= 0:
            if not self._erase(self._old):
                self._bad.add(self._old)
            self._old = -1
