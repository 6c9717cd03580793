"""The suite `cup-3des`: key check values, working keys of a sign-on, PIN block, message MAC.

    TMK (主密钥, 16 bytes, put in by hand) encrypts the working keys that every sign-on brings:
    PIK (PIN 密钥, 16 bytes), MAK (MAC 密钥, 8 bytes, with some hosts 16), TDK (磁道密钥, 16
    bytes, optional).

Keys are bytes; nothing here prints, logs or keeps one. Clear PINs and PIN blocks are wiped
from the buffers they were built in. Sources of the rules: ISO 9564-1 (PIN block format 0), ANSI
X9.19 (retail MAC), and for the rest the common practice of UnionPay-style terminals, written
down in docs/protocol.md.
"""

from binascii import hexlify

import micropython

from mobi.acquiring.des import Des

_KEY_CHECK = 4  # bytes of a key check value

# What is wrong with the keys of a sign-on.
LENGTH = "length"
PIK = "pik"
MAK = "mak"
TDK = "tdk"


def ptr8(data):
    """Under viper: raw bytes of ``data``. In plain Python: ``data`` itself."""
    return data


class BadKeys(Exception):
    """The working keys are not to be used: ``which`` is LENGTH, PIK, MAK or TDK (check value)."""

    def __init__(self, which):
        super().__init__(which)
        self.which = which


class BadPin(Exception):
    """The PIN is not 4 to 12 digits long, or the card number is too short for a PIN block."""


def _check(key):
    return Des(key).encrypt(bytes(8))[:_KEY_CHECK]


def kcv(key):
    """Key check value (校验值) of an 8 or 16 byte key as 8 hexadecimal digits, for people.

    It is the first 4 bytes of eight zero bytes encrypted under the key.
    """
    return hexlify(_check(key)).decode().upper()


def unwrap(tmk, data):
    """The working keys (工作密钥) in field 62 of a sign-on reply: (PIK, MAK).

    ``data``: each key encrypted under ``tmk``, followed by 4 bytes of check value. 24 bytes hold
    a single PIK and MAK, 40 double ones, 60 a double TDK, too: that is checked and dropped, this
    terminal sends tracks in clear. The place of a double MAK usually holds 8 bytes twice, or with
    zeros behind them: then the MAK has 8 bytes. When it holds 16 different ones, the check value
    tells which key the host means: all 16 (triple DES), or the first 8.

    Raises ``BadKeys``; then the keys in use must be given up, too: the host has replaced them.
    """
    size = len(data)
    if size not in (24, 40, 60):
        raise BadKeys(LENGTH)
    data = bytes(data)
    length = 8 if size == 24 else 16
    master = Des(tmk)
    keys = []
    at = 0
    for which in (PIK, MAK, TDK)[: size // (length + _KEY_CHECK)]:
        key = master.decrypt(data[at : at + length])
        check = data[at + length : at + length + _KEY_CHECK]
        at += length + _KEY_CHECK
        if which == MAK:
            key = _mak(key, check)
        elif check != _check(key):
            raise BadKeys(which)
        keys.append(key)
    return keys[0], keys[1]


def _mak(key, check):
    # The MAK in a place of 8 or 16 bytes.
    half = key[:8]
    if check == _check(half):
        return half
    if check != _check(key):
        raise BadKeys(MAK)
    return half if key[8:] == bytes(8) else key


def pin_block(pin, pan, pik):
    """Field 52: ``pin`` (4 to 12 digits) and ``pan`` as format 0 block, encrypted under ``pik``.

    Digits 2 to 13 from the right of the card number go in, without its check digit. Raises
    ``BadPin``.
    """
    if not 4 <= len(pin) <= 12 or not pin.isdigit() or len(pan) < 13 or not pan.isdigit():
        raise BadPin()
    text = "0%x%s" % (len(pin), pin)
    block = bytearray(8)
    for i in range(16):
        nibble = int(text[i], 16) if i < len(text) else 15
        if i >= 4:
            nibble ^= int(pan[len(pan) - 17 + i])
        block[i >> 1] |= nibble << (4 if i % 2 == 0 else 0)
    out = bytearray(8)
    Des(pik).encrypt_into(block, out)
    _wipe(block)
    return bytes(out)


def mac_cup(mak, data):
    """Field 64, CUP ECB: ``data`` is MTI to field 63, the bitmap with bit 64 set.

    The XOR of all 8-byte blocks, the last one filled with zeros, is written as 16 hexadecimal
    letters (upper case). The first 8 are encrypted, the last 8 XORed, the result encrypted: its
    first 8 hexadecimal letters are the MAC (8 ASCII bytes). ``mak``: 8 or 16 bytes.
    """
    letters = hexlify(fold(data)).upper()
    key = Des(mak)
    block = bytearray(8)
    key.encrypt_into(letters[:8], block)
    for i in range(8):
        block[i] ^= letters[8 + i]
    key.encrypt_into(block, block)
    return hexlify(block).upper()[:8]


def mac_x919(key, data):
    """ANSI X9.19 retail MAC of 8 bytes: CBC under the left half of ``key`` (16 bytes), the last
    block decrypted under the right and encrypted under the left half. Zero padding."""
    left = Des(key[:8])
    block = bytearray(8)
    size = len(data)
    for at in range(0, size, 8):
        for i in range(min(8, size - at)):
            block[i] ^= data[at + i]
        left.encrypt_into(block, block)
    Des(key[8:]).decrypt_into(block, block)
    left.encrypt_into(block, block)
    return bytes(block)


@micropython.viper
def _fold(data: ptr8, size: int, out: ptr8):
    i = 0
    while i < size:
        out[i & 7] = int(out[i & 7]) ^ int(data[i])
        i += 1


def fold(data):
    """The XOR of the 8-byte blocks of ``data``, the last one filled with zeros."""
    out = bytearray(8)
    _fold(data, len(data), out)
    return out


def _wipe(buffer):
    for i in range(len(buffer)):
        buffer[i] = 0
