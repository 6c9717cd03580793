"""DES and triple DES (FIPS 46-3) of our own: MicroPython has none. Small tables, no heap per block.

Both halves of the state are kept expanded (through E) as two words of 24 bits: every table entry
is already permuted and expanded, so a round is eight table reads, and no value ever exceeds the
small integers of a 32-bit MicroPython. The permutations are tables of bit positions. The tables
are bytes in ROM (``des_tables``); a test derives them from the standard.

The loops are compiled to machine code (viper) on a device and are plain Python on CPython.
"""

import micropython

from mobi.acquiring.des_tables import FINAL, INITIAL, PC1, PC2, ROTATIONS, SP

_BLOCK = 8
_SCHEDULE = 96  # 16 round keys of 48 bits


def ptr8(data):
    """Under viper: raw bytes of ``data``. In plain Python: ``data`` itself."""
    return data


@micropython.viper
def _expand(key: ptr8, out: ptr8, pc1: ptr8, pc2: ptr8, rotations: ptr8):
    # The round keys of one 8-byte key, 6 bytes each.
    at = 0
    turn = 0
    while turn < 16:
        shift = int(rotations[turn])
        bits = 0
        j = 0
        while j < 48:
            place = int(pc2[j])
            base = 0
            if place >= 28:
                base = 28
            place = place - base + shift
            if place >= 28:
                place -= 28
            source = int(pc1[base + place])
            bits = (bits << 1) | ((int(key[source >> 3]) >> (7 - (source & 7))) & 1)
            j += 1
            if j & 7 == 0:
                out[at] = bits
                at += 1
                bits = 0
        turn += 1


@micropython.viper
def _permute(source: ptr8, places: ptr8, bits: int, out: ptr8):
    # Bit j of out is bit places[j] of source; bit 0 is the highest of byte 0.
    byte = 0
    j = 0
    while j < bits:
        place = int(places[j])
        byte = (byte << 1) | ((int(source[place >> 3]) >> (7 - (place & 7))) & 1)
        j += 1
        if j & 7 == 0:
            out[(j >> 3) - 1] = byte
            byte = 0


@micropython.viper
def _rounds(halves: ptr8, keys: ptr8, at: int, step: int, passes: int, sp: ptr8):
    # halves: L and R, expanded, 6 bytes each; in place. Each pass ends with the halves swapped,
    # which is where the next pass of triple DES begins: its permutations cancel out.
    lh = (int(halves[0]) << 16) | (int(halves[1]) << 8) | int(halves[2])
    ll = (int(halves[3]) << 16) | (int(halves[4]) << 8) | int(halves[5])
    rh = (int(halves[6]) << 16) | (int(halves[7]) << 8) | int(halves[8])
    rl = (int(halves[9]) << 16) | (int(halves[10]) << 8) | int(halves[11])
    while passes > 0:
        turn = 0
        while turn < 16:
            xh = rh ^ ((int(keys[at]) << 16) | (int(keys[at + 1]) << 8) | int(keys[at + 2]))
            xl = rl ^ ((int(keys[at + 3]) << 16) | (int(keys[at + 4]) << 8) | int(keys[at + 5]))
            at += step
            box = 0
            while box < 8:
                if box < 4:
                    six = (xh >> (18 - 6 * box)) & 63
                else:
                    six = (xl >> (42 - 6 * box)) & 63
                p = (box * 64 + six) * 6
                lh ^= (int(sp[p]) << 16) | (int(sp[p + 1]) << 8) | int(sp[p + 2])
                ll ^= (int(sp[p + 3]) << 16) | (int(sp[p + 4]) << 8) | int(sp[p + 5])
                box += 1
            swap = lh
            lh = rh
            rh = swap
            swap = ll
            ll = rl
            rl = swap
            turn += 1
        swap = lh
        lh = rh
        rh = swap
        swap = ll
        ll = rl
        rl = swap
        passes -= 1
    halves[0] = lh >> 16
    halves[1] = (lh >> 8) & 255
    halves[2] = lh & 255
    halves[3] = ll >> 16
    halves[4] = (ll >> 8) & 255
    halves[5] = ll & 255
    halves[6] = rh >> 16
    halves[7] = (rh >> 8) & 255
    halves[8] = rh & 255
    halves[9] = rl >> 16
    halves[10] = (rl >> 8) & 255
    halves[11] = rl & 255


class Des:
    """A key, ready for use: 8 bytes for DES, 16 for triple DES with two keys. ECB, whole blocks.

    Parity bits are ignored. The key itself is not kept; the round keys are never printed.
    """

    def __init__(self, key):
        if len(key) not in (8, 16):
            raise ValueError("a key of 8 or 16 bytes is needed")
        self._passes = 1 if len(key) == 8 else 3
        self._keys = bytearray(_SCHEDULE * self._passes)
        self._halves = bytearray(12)
        _expand(key, self._keys, PC1, PC2, ROTATIONS)
        if self._passes == 3:
            # Encrypt, decrypt with the second key, encrypt: its round keys go in backwards.
            keys = self._keys
            second = bytearray(_SCHEDULE)
            _expand(memoryview(key)[8:], second, PC1, PC2, ROTATIONS)
            for i in range(0, _SCHEDULE, 6):
                keys[_SCHEDULE + i : _SCHEDULE + i + 6] = second[90 - i : 96 - i]
            keys[2 * _SCHEDULE :] = keys[:_SCHEDULE]

    def encrypt_into(self, block, out):
        """Encrypt the 8 bytes ``block`` into ``out``, which may be the same buffer."""
        self._run(block, out, 0, 6)

    def decrypt_into(self, block, out):
        """Decrypt the 8 bytes ``block`` into ``out``, which may be the same buffer."""
        self._run(block, out, len(self._keys) - 6, -6)

    def encrypt(self, data):
        """``data`` (a multiple of 8 bytes) encrypted block by block (ECB)."""
        return self._each(data, self.encrypt_into)

    def decrypt(self, data):
        """``data`` (a multiple of 8 bytes) decrypted block by block (ECB)."""
        return self._each(data, self.decrypt_into)

    def _each(self, data, one):
        if len(data) % _BLOCK:
            raise ValueError("whole blocks of 8 bytes are needed")
        source = memoryview(data)
        out = bytearray(len(data))
        target = memoryview(out)
        for at in range(0, len(data), _BLOCK):
            one(source[at : at + _BLOCK], target[at : at + _BLOCK])
        return bytes(out)

    def _run(self, block, out, first, step):
        halves = self._halves
        _permute(block, INITIAL, 96, halves)
        _rounds(halves, self._keys, first, step, self._passes, SP)
        _permute(halves, FINAL, 64, out)
