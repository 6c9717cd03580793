"""A small power-safe store of keys and values: keys, parameters, operators and their lock-outs.

Two sectors take turns. A change is appended to the one that counts; when that is full, after a
deletion, and at every start-up, what is alive is copied into the other, which counts only once its
seal is written; then the old one is erased, so that deleted values are gone from the chip. docs/
journal.md describes the format and why unstable cells cannot confuse it.

One wrong bit anywhere costs nothing: the CRCs tell which it is. What neither sector takes is kept
in memory, and tried again in idle time; ``failing`` says that there is something to tell.
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
_CRC = const(0xEDB88320)
# Not a value: nothing counts from the place that its two bytes name to here.
_SKIP = b"\0"
_SKIP_SIZE = const(_FRAME + 1 + 2)
# Calls of ``idle`` between two attempts to write what could not be written.
_PATIENCE = const(64)


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
        self._clear()

    def _clear(self):
        self._index = {}  # key -> (offset, size) of its value
        self._sector = -1
        self._old = -1  # a sector with values that must be erased
        self._shred = False
        self._off = 0
        self._skipped = 0  # where the bytes begin behind which ``_off`` is; 0: it needs no word
        self._seq = 0
        self._seed = 0
        self.wear = 0
        self.damage = 0
        self._unsaved = {}  # key -> value that neither sector has taken; None: deleted
        self._waits = 0
        # The last copy into the other sector did not succeed, or values are only in memory.
        self.failing = False

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
                if self._sector == newest:
                    self._keep_away()  # the copy failed: this one must do
                break
            if reading == _READINGS - 1:
                limit = last  # it does not read the same twice: it was never finished
        return self.DAMAGED if self.damage else self.READY

    def format(self):
        """Erase both sectors and begin an empty vault. ``OSError``: neither of them takes it."""
        self._clear()
        self._seq = 1
        blank = [s for s in range(2) if self._erase(s)]
        for s in blank:
            self._found(s, 1, {})
            if self._sector == s:
                self.failing = len(blank) < 2
                return
        raise OSError(5)

    def get(self, key):
        """The value of ``key`` as bytes; None when there is none or it does not read right."""
        key = bytes(key)
        if key in self._unsaved:
            return self._unsaved[key]
        place = self._index.get(key)
        if place is None or self._load(place[0] - 3 - len(key)) is None:
            return None
        return bytes(self._view[3 + len(key) : 3 + len(key) + place[1]])

    def put(self, key, value, hold=True):
        """Store ``value`` (up to 1024 bytes); durable before it returns True. ``VaultFull``.

        False: neither sector takes it; it is kept in memory until power fails, or not at all when
        ``hold`` is False. The old value of a secret (a key that begins with ``SECRET``) is erased
        by ``idle``.
        """
        key = bytes(key)
        if not 0 < len(key) <= KEY_MAX or len(value) > VALUE_MAX:
            raise ValueError("a key has 1 to 32 bytes, a value up to 1024")
        if key not in self._unsaved and self.get(key) == bytes(value):
            return True
        if key in self._index and key[:1] == SECRET:
            self._shred = True
        if self._change(key, value, len(value)):
            return True
        if hold:
            self._unsaved[key] = bytes(value)
        return False

    def delete(self, key):
        """Forget ``key``; durable before it returns True. ``idle`` or ``shred`` erases the value.

        False: neither sector takes it; it is forgotten until power fails.
        """
        key = bytes(key)
        if key not in self._index:
            self._unsaved.pop(key, None)
            return True
        if not self._change(key, b"", _DELETED):
            self._unsaved[key] = None
            return False
        self._shred = True
        return True

    def keys(self, prefix=b""):
        """The keys that begin with ``prefix``, sorted."""
        found = [key for key in self._index if key not in self._unsaved]
        found += [key for key in self._unsaved if self._unsaved[key] is not None]
        return sorted(key for key in found if key[: len(prefix)] == prefix)

    def shred(self):
        """Erase deleted and replaced values from the chip, now (one or two erases)."""
        if self._sector >= 0:
            self._rewrite()
            self._erase_old()

    def idle(self):
        """One step of background work; True when there is more."""
        if self._unsaved:
            self._waits += 1
            if self._waits % _PATIENCE == 0:
                self._save_again()
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
        if not self._medium.read(s, 0, head):
            return None
        bit = 0
        while not _is_head(head):  # one bit may be wrong
            if bit:
                head[bit - 1 >> 3] ^= 1 << (bit - 1 & 7)
            if bit == 8 * _HEAD:
                return None
            head[bit >> 3] ^= 1 << (bit & 7)
            bit += 1
        seq, wear = struct.unpack_from("<II", head, 4)
        return seq, crc32(memoryview(head)[:8]), wear

    def _sealed(self, s, seed):
        # Is there a whole seal? Each is: 0, place number, CRC. One bit of it may be wrong.
        page = bytearray(PAGE)
        if not self._medium.read(s, _SEALS, page):
            return False
        wanted = bytearray(5)
        for at in range(0, PAGE, 8):
            wanted[0] = at >> 3
            struct.pack_into("<I", wanted, 1, crc32(memoryview(wanted)[:1], seed))
            wrong = 0
            for i in range(5):
                differs = page[at + 1 + i] ^ wanted[i]
                wrong += 2 if differs & (differs - 1) else 1 if differs else 0
            if wrong < 2:
                return True
        return False

    def _load(self, off, mend=True):
        # The record at ``off`` into the buffer: (size of key, of value, of all), or None. ``mend``:
        # one bit of it may be wrong.
        view = self._view
        buf = self._buf
        for bit in range(-1, 24 if mend else 0):  # -1: as it stands; else a bit of the lengths
            if off + _FRAME > _SEALS or not self._medium.read(self._sector, off, view[:3]):
                return None
            if bit >= 0:
                buf[bit >> 3] ^= 1 << (bit & 7)
            keys = buf[0]
            size = stored = buf[1] | buf[2] << 8
            if stored == _DELETED:
                size = 0
            total = _FRAME + keys + size
            if not 0 < keys <= KEY_MAX or size > VALUE_MAX or off + total > _SEALS:
                continue
            if not self._medium.read(self._sector, off + 3, view[3:total]):
                return None
            wrong = crc32(view[: total - 4], self._seed ^ off)
            wrong ^= struct.unpack_from("<I", buf, total - 4)[0]
            if not wrong or (mend and bit < 0 and _mend(buf, total - 4, wrong)):
                return keys, stored, total
        return None

    def _scan(self, limit):
        # Build the index; the place of the last record.
        self._index = {}
        self.damage = 0
        medium = self._medium
        off = last = end = _HEAD
        gap = False
        while off + _FRAME <= limit and medium.hold(self._sector, off >> 8):
            found = None
            first = medium.page[off & 255]
            if off == end and first != 0xFF:
                found = self._load(off)
            elif 0 < first <= KEY_MAX:
                found = self._load(off, False)
            medium.hold(self._sector, off >> 8)
            if found is None:
                at = off & 255
                if medium.page[at] != 0xFF:
                    gap = True
                elif medium.view[at:] == BLANK[at:]:
                    off |= 255  # most of a vault is blank: not byte by byte
                off += 1
                continue
            keys, stored, total = found
            key = bytes(self._view[3 : 3 + keys])
            if key == _SKIP:
                gap = gap and end != self._buf[4] | self._buf[5] << 8
            self.damage += gap
            gap = False
            if key == _SKIP:
                pass
            elif stored == _DELETED:
                self._index.pop(key, None)
            else:
                self._index[key] = (off + 3 + keys, stored)
            last = off
            off += total
            end = off
        self._off = end
        self._skipped = 0
        return last

    # -- writing -------------------------------------------------------------------------------

    def _change(self, key, value, stored):
        # False: neither sector takes it, not even when it is tried twice.
        if self._sector < 0:
            raise OSError(19)  # not mounted
        live = _HEAD + _FRAME + len(key) + len(value)
        for other, place in self._index.items():
            if other != key:
                live += _FRAME + len(other) + place[1]
        if live > _SEALS:
            raise VaultFull("the live values do not fit")
        for _ in range(2):
            skip = _SKIP_SIZE if self._skipped else 0
            if self._off + skip + _FRAME + len(key) + len(value) <= _SEALS:
                if self._append(key, value, stored):
                    break
                self._keep_away()
            before = self._sector
            if self._rewrite(key, value, stored) and self._sector != before:
                break
        else:
            self.failing = True
            return False
        self._unsaved.pop(key, None)
        return True

    def _save_again(self):
        for key in list(self._unsaved):
            value = self._unsaved[key]
            if value is None:
                self.delete(key)
            else:
                self.put(key, value)
        if not self._unsaved:
            self.failing = False

    def _append(self, key, value, stored):
        off = self._off
        if self._skipped:
            data = struct.pack("<H", self._skipped)
            total = self._frame(_SKIP, data, len(data), off, self._seed)
            if not self._medium.program(self._sector, off, self._view, total):
                return False
            off += total
            self._off = off
            self._skipped = 0
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
        if other == self._old:
            self._old = -1
        before = self._sector
        if self._erase(other) and not self._found(other, wear, self._index, key, value, stored):
            return False
        self.failing = self._sector == before
        return True  # where the copy failed, the one that is left has to do

    def _keep_away(self):
        # Go on behind anything in this sector that a failed or interrupted program has touched. It
        # goes page by page: what it has touched without a trace is where it began, or the page
        # behind the last one that shows a trace.
        off = (self._off | 255) + 1
        number = _SEALS // PAGE
        while number > self._off >> 8:
            number -= 1
            start = self._off & 255 if number == self._off >> 8 else 0
            if not self._medium.hold(self._sector, number) or (
                self._medium.view[start:] != BLANK[start:]
            ):
                off = (number + 2) * PAGE
                break
        if not self._skipped:
            self._skipped = self._off
        self._off = min(off, _SEALS)

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
                return True
            off += total
        if stored != _DELETED:
            total = self._frame(key, value, stored, off, seed)
            if not self._medium.program(s, off, self._view, total):
                return True
        before = (self._sector, self._seq, self._seed, self.wear)
        self._sector, self._seq, self._seed, self.wear = s, seq, seed, wear
        if not self._medium.program(s, 0, view, _HEAD) or not self._seal():
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
        self._skipped = 0
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
                self.failing = True
            self._old = -1


def _is_head(head):
    return (
        head[:3] == MAGIC
        and head[3] == VERSION
        and crc32(memoryview(head)[:12]) == struct.unpack_from("<I", head, 12)[0]
    )


def _mend(buf, size, wrong):
    # ``wrong``: what differs in the CRC-32 of ``size`` bytes. Which single bit explains it? It is
    # turned back; one of the CRC itself needs nothing.
    if not wrong & (wrong - 1):
        return True
    effect = _CRC  # of the last bit; each bit before it has one step more behind it
    for i in range(size - 1, -1, -1):
        for shift in range(7, -1, -1):
            if effect == wrong:
                buf[i] ^= 1 << shift
                return True
            effect = effect >> 1 ^ (_CRC if effect & 1 else 0)
    return False
