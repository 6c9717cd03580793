"""Reads vault images for people: which keys there are and how long their values, never the values.

Written from docs/journal.md, independent of the firmware.
"""

from __future__ import annotations

import hashlib
from binascii import crc32
from dataclasses import dataclass, field

SECTOR = 4096
SEALS = 3840
DELETED = 0xFFFF


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
        if data[:4] != b"MoV\x01" or crc32(data[:12]) != int.from_bytes(data[12:16], "little"):
            continue
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
        number = data[at + 1 : at + 2]
        if number[0] == (at - SEALS) // 8:
            if crc32(number, seed) == int.from_bytes(data[at + 2 : at + 6], "little"):
                return True
    return False


def _values(data: bytes, vault: Vault) -> dict[bytes, bytes]:
    seed = crc32(data[:8])
    values: dict[bytes, bytes] = {}
    at = 16
    gap = False
    while at + 7 <= SEALS:
        found = _record(data, at, seed)
        if found is None:
            gap = gap or data[at] != 0xFF
            at += 1
            continue
        key, value, size = found
        vault.damage += gap
        gap = False
        vault.leftovers += key in values
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
        at += size
    return values


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
