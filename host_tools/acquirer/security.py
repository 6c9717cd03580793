"""Keys, PIN blocks and MACs of the suite `cup-3des`, computed with `cryptography` alone.

Working keys travel and rest only under the terminal master key (TMK). Nothing here prints or
logs a key or a PIN; `repr` of these objects shows key check values at most.
"""

from __future__ import annotations

import hashlib
import secrets

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes


class PinFormatError(Exception):
    """The decrypted PIN block is not a format 0 block: wrong key, wrong card or not ours."""


def _ecb(key: bytes) -> Cipher[modes.ECB]:
    # The library wants three keys: a single key is repeated, of two the first comes again.
    if len(key) == 8:
        key = key * 3
    elif len(key) == 16:
        key = key + key[:8]
    return Cipher(TripleDES(key), modes.ECB())


def encryptor(key: bytes) -> CipherContext:
    """DES (8 bytes) or 3DES (16, 24) in ECB; ``update`` may be called again and again."""
    return _ecb(key).encryptor()


def decryptor(key: bytes) -> CipherContext:
    """See ``encryptor``."""
    return _ecb(key).decryptor()


def kcv(key: bytes) -> bytes:
    """Key check value: the first 4 bytes of eight zero bytes encrypted under ``key``."""
    return encryptor(key).update(bytes(8))[:4]


def fold(data: bytes) -> bytes:
    """XOR of the 8-byte blocks of ``data``, the last one filled with zeros."""
    total = 0
    for at in range(0, len(data), 8):
        total ^= int.from_bytes(data[at:at + 8].ljust(8, b"\0"), "big")
    return total.to_bytes(8, "big")


def mac(cipher: CipherContext, data: bytes) -> bytes:
    """CUP ECB MAC: fold, write as 16 hex letters, encrypt the first half, XOR the second half,
    encrypt again; the first 8 hex letters of that are the MAC (8 ASCII bytes)."""
    letters = fold(data).hex().upper().encode()
    first = int.from_bytes(cipher.update(letters[:8]), "big")
    second = (first ^ int.from_bytes(letters[8:], "big")).to_bytes(8, "big")
    return cipher.update(second)[:4].hex().upper().encode()


def pin_block(pin: str, pan: str) -> bytes:
    """The clear format 0 block (ISO 9564): PIN field XOR account field."""
    text = f"0{len(pin):X}{pin}".ljust(16, "F")
    return _xor(bytes.fromhex(text), _account(pan))


def pin_of(block: bytes, pan: str) -> str:
    """The PIN in a clear format 0 block; ``PinFormatError`` when it is none."""
    text = _xor(block, _account(pan)).hex()
    length = int(text[1], 16)
    pin, fill = text[2:2 + length], text[2 + length:]
    if text[0] != "0" or not 4 <= length <= 12 or not pin.isdecimal() or fill.strip("f"):
        raise PinFormatError
    return pin


def _account(pan: str) -> bytes:
    return bytes.fromhex("0000" + pan[-13:-1].rjust(12, "0"))


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def random_key(length: int, seed: str | None) -> bytes:
    """A new DES key of ``length`` bytes (8 or 16) with odd parity; the same for the same seed."""
    if seed is None:
        raw = secrets.token_bytes(length)
    else:
        raw = hashlib.sha256(seed.encode()).digest()[:length]
    return bytes(b & 0xFE | ((b >> 1).bit_count() + 1) % 2 for b in raw)


class WorkingKeys:
    """The keys of one sign-on (签到): PIK for PINs, MAK for MACs, TDK for tracks (or none).

    ``kind`` is field 60.3 of the sign-on: 001 single keys, 003 double PIK, 004 with TDK. The
    place of a MAK of 16 bytes holds 8 bytes twice; when its halves differ it is a double key.
    """

    def __init__(self, kind: str, wrapped: bytes, tmk: bytes):
        self.kind = kind
        self.wrapped = wrapped
        clear = decryptor(tmk).update(wrapped)
        size = 8 if kind == "001" else 16
        pik, mak, tdk = clear[:size], clear[size:2 * size], clear[2 * size:]
        if mak[8:] == mak[:8]:
            mak = mak[:8]
        self._mak = encryptor(mak)
        self._pik = decryptor(pik)
        self._tdk = decryptor(tdk) if tdk else None
        self._check = (kcv(pik), kcv(mak), kcv(tdk) if tdk else b"")
        self.single = size == 8

    def __repr__(self) -> str:
        return f"WorkingKeys({self.check_values()})"

    def check_values(self) -> str:
        """The key check values, which may be shown: "PIK 1234ABCD, MAK ..."."""
        named = zip(("PIK", "MAK", "TDK"), self._check, strict=True)
        return ", ".join(f"{name} {check.hex().upper()}" for name, check in named if check)

    @classmethod
    def fresh(cls, kind: str, tmk: bytes, seed: str | None, double: bool = False) -> WorkingKeys:
        """New random keys under ``tmk``; reproducible when ``seed`` is given. ``double``: with a
        MAK of 16 different bytes where it has room for them."""
        size = 8 if kind == "001" else 16

        def key(name: str, length: int) -> bytes:
            return random_key(length, None if seed is None else f"{seed}/{name}")

        # Usually only the first half of the MAK's place counts; both halves hold the same key so
        # that every reading of the rule gives the same check value.
        mak = key("MAK", size) if double else key("MAK", 8) * (size // 8)
        clear = key("PIK", size) + mak
        if kind == "004":
            clear += key("TDK", 16)
        return cls(kind, encryptor(tmk).update(clear), tmk)

    def field62(self) -> str:
        """Field 62 of the sign-on reply as hex: each key under the TMK, then its check value."""
        size = 8 if self.single else 16
        out = b""
        for index, check in enumerate(self._check):
            if check:
                out += self.wrapped[index * size:(index + 1) * size] + check
        return out.hex().upper()

    def mac(self, data: bytes) -> bytes:
        """Field 64 for ``data`` (message type to field 63): 8 ASCII hex letters."""
        return mac(self._mak, data)

    def pin(self, block: bytes, pan: str) -> str:
        """The PIN in field 52; ``PinFormatError`` when it does not decrypt to one."""
        return pin_of(self._pik.update(block), pan)

    def track2(self, digits: str) -> str | None:
        """Track 2 with its encrypted part made clear; None when there is no TDK or it is short.

        The eight bytes before the last byte of the packed track are encrypted.
        """
        packed = digits if len(digits) % 2 == 0 else digits + "0"
        if self._tdk is None or len(packed) < 18:
            return None
        middle = self._tdk.update(bytes.fromhex(packed[-18:-2])).hex().upper()
        return (packed[:-18] + middle + packed[-2:])[:len(digits)]
