"""UF2, the file format the Pico's bootloader takes: 512-byte blocks, each with its own address.

The format is described at https://github.com/microsoft/uf2.
"""

from __future__ import annotations

import struct

MAGIC_0 = 0x0A324655
MAGIC_1 = 0x9E5D5157
MAGIC_END = 0x0AB16F30
FAMILY_RP2040 = 0xE48BFF56
FLASH_BASE = 0x10000000  # where the RP2040 sees its flash

_HAS_FAMILY = 0x2000
_NOT_FOR_FLASH = 0x0001
_HEAD = struct.Struct("<8I")
_PAYLOAD = 256
_BLOCK = 512


class BadUf2(ValueError):
    """The file is no UF2 for an RP2040; the text says why."""


def pack(data: bytes, base: int = FLASH_BASE, family: int = FAMILY_RP2040) -> bytes:
    """``data``, to be written from address ``base`` on, as UF2."""
    data = data + b"\0" * (-len(data) % _PAYLOAD)
    count = len(data) // _PAYLOAD
    out = bytearray()
    for number in range(count):
        at = number * _PAYLOAD
        head = _HEAD.pack(
            MAGIC_0, MAGIC_1, _HAS_FAMILY, base + at, _PAYLOAD, number, count, family
        )
        payload = data[at : at + _PAYLOAD].ljust(_BLOCK - _HEAD.size - 4, b"\0")
        out += head + payload + struct.pack("<I", MAGIC_END)
    return bytes(out)


def unpack(file: bytes) -> list[tuple[int, bytes]]:
    """The pieces (address, data) of a UF2 file, in its order."""
    if not file or len(file) % _BLOCK:
        raise BadUf2(f"a UF2 file is made of 512-byte blocks; this one has {len(file)} bytes")
    pieces = []
    for at in range(0, len(file), _BLOCK):
        magic_0, magic_1, flags, address, size, number, count, family = _HEAD.unpack_from(file, at)
        (end,) = struct.unpack_from("<I", file, at + _BLOCK - 4)
        if (magic_0, magic_1, end) != (MAGIC_0, MAGIC_1, MAGIC_END):
            raise BadUf2(f"block {at // _BLOCK} has no UF2 marks")
        if count != len(file) // _BLOCK or number != at // _BLOCK:
            raise BadUf2(f"block {number} of {count} stands at place {at // _BLOCK}")
        if flags & _HAS_FAMILY and family != FAMILY_RP2040:
            raise BadUf2(f"it is for chip family {family:#x}, not for the RP2040")
        if size > _BLOCK - _HEAD.size - 4:
            raise BadUf2(f"block {number} claims {size} bytes")
        if not flags & _NOT_FOR_FLASH:
            start = at + _HEAD.size
            pieces.append((address, file[start : start + size]))
    return pieces


def flash_image(file: bytes) -> bytes:
    """What the flash chip holds from its first byte on once ``file`` has been written."""
    pieces = unpack(file)
    end = max(address + len(data) for address, data in pieces)
    image = bytearray(b"\xff" * (end - FLASH_BASE))
    for address, data in pieces:
        if address < FLASH_BASE:
            raise BadUf2(f"address {address:#x} is not in the flash")
        image[address - FLASH_BASE : address - FLASH_BASE + len(data)] = data
    return bytes(image)
