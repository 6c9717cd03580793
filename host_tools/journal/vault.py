"""Reads vault images for people: which keys there are and how long their values, never the values.

Written from docs/journal.md, independent of the firmware.
"""

from __future__ import annotations

import hashlib
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass, field

SECTOR = 4096
SEALS = 3840
DELETED = 0xFFFF
SKIP = b"\0"


@dataclass
class Entry:
    """A value that is alive. ``fingerprint``: 6 hexadecimal digits, to compare, not to compute."""

    key: bytes
    size: int
    fingerprint: str


@dataclass
class Vault:
    """What an image holds. ``verdict``: ready, damaged or empty."""

    verdict: str
    entries: list[Entry] = field(default_factory=list)
    sector: int = -1
    sequence: int = 0
    wear: int = 0
    damage: int = 0
    leftovers: int = 0  # deleted or replaced values that are still on the chip


def decode_vault(
    image: bytes, with_values: bool = False
) -> Vault | tuple[Vault, dict[bytes, bytes]]:
    """Take a vault image apart. ``with_values``: also {key: value}, for tests."""
    vault, values = _decode(image)
    return (vault, values) if with_values else vault


def _decode(image: bytes) -> tuple[Vault, dict[bytes, bytes]]:
    best: tuple[int, int, int, bytes] | None = None
    for number in range(min(len(image) // SECTOR, 2)):
        data = image[number * SECTOR : (number + 1) * SECTOR]
        whole = next((head for head in _one_bit(data[:16]) if _is_head(head)), None)
        if whole is None:
            continue
        data = whole + data[16:]
        sequence = int.from_bytes(data[4:8], "little")
        if not _sealed(data, crc32(data[:8])):
            continue
        if best is None or (sequence - best[0]) & 0xFFFFFFFF < 1 << 31:
            best = sequence, int.from_bytes(data[8:12], "little"), number, data
    if best is None:
        return Vault("empty"), {}
    sequence, wear, number, data = best
    vault = Vault("ready", sector=number, sequence=sequence, wear=wear)
    values = _values(data, vault)
    for key in sorted(values):
        digest = hashlib.sha256(b"mobi vault fingerprint" + key + values[key]).hexdigest()
        vault.entries.append(Entry(key, len(values[key]), digest[:6]))
    if vault.damage:
        vault.verdict = "damaged"
    return vault, values


def _sealed(data: bytes, seed: int) -> bool:
    for at in range(SEALS, SECTOR, 8):
        number = bytes(((at - SEALS) // 8,))
        wanted = number + crc32(number, seed).to_bytes(4, "little")
        if data[at + 1 : at + 6] in _one_bit(wanted):
            return True
    return False


def _one_bit(data: bytes) -> Iterator[bytes]:
    # These bytes, and then with one bit the other way.
    yield data
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def _is_head(head: bytes) -> bool:
    return head[:4] == b"MoV\x01" and crc32(head[:12]) == int.from_bytes(head[12:16], "little")


def _values(data: bytes, vault: Vault) -> dict[bytes, bytes]:
    seed = crc32(data[:8])
    values: dict[bytes, bytes] = {}
    at = end = 16
    gap = False
    while at + 7 <= SEALS:
        found = _record(data, at, seed)
        if found is None and at == end and data[at] != 0xFF:
            found = _mended(data, at, seed)
        if found is None:
            gap = gap or data[at] != 0xFF
            at += 1
            continue
        key, value, size = found
        if key == SKIP:  # what lies before it, from the place it names on, does not count
            vault.damage += gap and value != end.to_bytes(2, "little")
        else:
            vault.damage += gap
            vault.leftovers += key in values
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        gap = False
        at += size
        end = at
    return values


def _mended(data: bytes, at: int, seed: int) -> tuple[bytes, bytes | None, int] | None:
    # The record at ``at`` with one bit of it the other way.
    for lengths in _one_bit(data[at : at + 3]):
        stored = int.from_bytes(lengths[1:], "little")
        size = 7 + lengths[0] + (0 if stored == DELETED else stored)
        if at + size > SEALS or not 0 < lengths[0] <= 32:
            continue
        kept = data[at + 3 : at + size]
        if lengths != data[at : at + 3]:
            tried: Iterator[bytes] = iter((lengths + kept,))
        else:
            tried = (lengths + rest for rest in _one_bit(kept))
        for record in tried:
            found = _record(data[:at] + record + data[at + size :], at, seed)
            if found is not None:
                return found
    return None


def _record(data: bytes, at: int, seed: int) -> tuple[bytes, bytes | None, int] | None:
    keys = data[at]
    stored = int.from_bytes(data[at + 1 : at + 3], "little")
    size = 0 if stored == DELETED else stored
    end = at + 3 + keys + size
    if not 0 < keys <= 32 or size > 1024 or end + 4 > SEALS:
        return None
    if crc32(data[at:end], seed ^ at) != int.from_bytes(data[end : end + 4], "little"):
        return None
    value = None if stored == DELETED else data[at + 3 + keys : end]
    return data[at + 3 : at + 3 + keys], value, 7 + keys + size
