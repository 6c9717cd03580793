"""The journal's format on flash, taken apart: heads and records, exactly as docs/journal.md says.

Written from the document, not from the firmware: the two check each other.
"""

from __future__ import annotations

import struct
from binascii import crc32
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SECTOR = 4096
PAGE = 256
MAGIC = b"MoJ"
VERSION = 1

KINDS = {
    1: "intent",
    2: "carried",
    3: "note",
    4: "trace",
    5: "stage",
    6: "settle",
    7: "floor",
    8: "retire",
    9: "batch",
    10: "seal",
    11: "resume",
    12: "note_copy",
    18: "approve",
    19: "decline",
    20: "reverse",
    21: "attempt",
    22: "undone",
    23: "lose",
    24: "release",
    25: "drop",
    26: "print",
    27: "doubt",
}
LONGEST = 496  # payload of the longest record, a RESUME with its copy

_EPOCH = datetime(2000, 1, 1)


class Malformed(ValueError):
    """A record whose CRC is right but whose content is not what the format allows."""


def moment(seconds: int) -> datetime:
    """A time of the journal: local time of the terminal."""
    return _EPOCH + timedelta(seconds=seconds)


def u24(data: bytes, at: int) -> int:
    """24 bits, little-endian."""
    return int.from_bytes(data[at : at + 3], "little")


@dataclass
class Kept:
    """An entry of a checkpoint: a transaction that must be found again."""

    ordinal: int
    sequence: int
    offset: int
    state: int


@dataclass
class Checkpoint:
    """The second part of a head: the state when the sector was entered."""

    batch_start: int
    last_start: int
    approved: int | None
    approved_at: tuple[int, int] | None
    settled_at: tuple[int, int] | None
    stage_at: tuple[int, int] | None
    totals: tuple[int, ...]  # count and amount of sales, voids, refunds
    newest_time: int
    bad: list[int]
    kept: list[Kept]


@dataclass
class Head:
    """The beginning of a sector."""

    sector: int
    size: int
    by_mount: bool
    previous_resumed: bool
    more_touches: bool
    sequence: int
    incarnation: int
    wear: int
    distance: int
    previous_end: int
    entry_end: int
    floor: int
    ordinal: int
    trace: int
    batch: int
    next_wear: int
    touches: list[tuple[int, int]]
    checkpoint: Checkpoint | None

    @property
    def seed(self) -> int:
        """What the CRCs of its first records begin with."""
        return seed_of(self.sequence, self.incarnation)


@dataclass
class Record:
    """One record as it lies on flash."""

    sector: int
    sequence: int
    offset: int
    kind: int
    payload: bytes
    incarnation: int
    counts: bool = True
    copy_of: int | None = None  # a RESUME's copy: where the first one began
    number: int = 0  # in the order of the log

    @property
    def name(self) -> str:
        """The kind in words."""
        return KINDS.get(self.kind, f"kind {self.kind}")


@dataclass
class Sector:
    """One sector taken apart."""

    number: int
    head: Head | None
    blank: bool
    records: list[Record] = field(default_factory=list)
    torn: list[tuple[int, int]] = field(default_factory=list)  # begin, end of what is no record
    void: list[tuple[int, int]] = field(default_factory=list)  # the same where a RESUME says so
    end: int = 0


def seed_of(sequence: int, incarnation: int) -> int:
    """The CRC continues from these eight bytes."""
    return crc32(struct.pack("<II", sequence, incarnation))


def _is_head(data: bytes | bytearray) -> bool:
    a = data[4]
    return (
        data[:3] == MAGIC
        and data[3] == VERSION
        and 45 <= a <= 64
        and data[5] >= 4
        and crc32(data[: a - 4]) == int.from_bytes(data[a - 4 : a], "little")
    )


def _mend(data: bytes) -> bytes | None:
    # One wrong bit in the first part of a head can be told by its CRC.
    if sum(x != y for x, y in zip(data[:4], (*MAGIC, VERSION), strict=True)) > 1:
        return None
    tried = bytearray(data)
    for at in range(64):
        for bit in range(8):
            tried[at] ^= 1 << bit
            if _is_head(tried):
                return bytes(tried)
            tried[at] ^= 1 << bit
    return None


def read_head(data: bytes, number: int) -> Head | None:
    """The head of a sector; None when there is none."""
    if not _is_head(data):
        mended = _mend(data)
        if mended is None:
            return None
        data = mended
    a, b = data[4], data[5]
    flags, count = data[6], data[7]
    sequence, incarnation = struct.unpack_from("<II", data, 8)
    distance, previous_end, entry_end, floor = struct.unpack_from("<HHHI", data, 19)
    checkpoint = None
    if b >= 4 and crc32(data[a : a + b - 4]) == int.from_bytes(data[a + b - 4 : a + b], "little"):
        checkpoint = _checkpoint(data[a : a + b], sequence)
    return Head(
        sector=number,
        size=a + b,
        by_mount=bool(flags & 1),
        previous_resumed=bool(flags & 2),
        more_touches=bool(flags & 4),
        sequence=sequence,
        incarnation=incarnation,
        wear=u24(data, 16),
        distance=distance,
        previous_end=previous_end,
        entry_end=entry_end,
        floor=floor,
        ordinal=u24(data, 29),
        trace=u24(data, 32),
        batch=u24(data, 35),
        next_wear=u24(data, 38),
        touches=[(u24(data, 41 + 4 * i), data[44 + 4 * i]) for i in range(min(count, 4))],
        checkpoint=checkpoint,
    )


def _checkpoint(data: bytes, sequence: int) -> Checkpoint:
    def place(at: int) -> tuple[int, int] | None:
        distance, offset = struct.unpack_from("<HH", data, at)
        return None if distance == 0xFFFF else ((sequence - distance) & 0xFFFFFFFF, offset)

    totals: list[int] = []
    for at in (21, 28, 35):
        totals += [
            int.from_bytes(data[at : at + 2], "little"),
            int.from_bytes(data[at + 2 : at + 7], "little"),
        ]
    approved = u24(data, 6)
    bad = list(data[47 : 47 + data[46]])
    at = 47 + data[46]
    kept = []
    for i in range(data[at]):
        where = place(at + 4 + 7 * i)
        if where is not None:
            state = where[1] >> 12
            kept.append(Kept(u24(data, at + 1 + 7 * i), where[0], where[1] & 0xFFF, state))
    return Checkpoint(
        batch_start=u24(data, 0),
        last_start=u24(data, 3),
        approved=None if approved == 0xFFFFFF else approved,
        approved_at=place(9),
        settled_at=place(13),
        stage_at=place(17),
        totals=tuple(totals),
        newest_time=int.from_bytes(data[42:46], "little"),
        bad=bad,
        kept=kept,
    )


def frame(data: bytes, offset: int, seed: int, stop: int = SECTOR) -> tuple[int, bytes] | None:
    """The record at ``offset``: (kind, payload) when its CRC is right."""
    if offset + 6 > stop:
        return None
    kind = data[offset] & 31
    size = (data[offset] >> 5) << 8 | data[offset + 1]
    end = offset + 2 + size
    if kind not in KINDS or size > LONGEST or end + 4 > stop:
        return None
    if crc32(data[offset:end], seed ^ offset) != int.from_bytes(data[end : end + 4], "little"):
        return None
    return kind, data[offset + 2 : end]


def resume_at(data: bytes, offset: int, sequence: int) -> tuple[int, int, bytes] | None:
    """A RESUME at ``offset``: (incarnation it opens, where what it replaces begins, copy)."""
    if offset + 12 > SECTOR or data[offset] & 31 != 11:
        return None
    incarnation = int.from_bytes(data[offset + 2 : offset + 6], "little")
    found = frame(data, offset, seed_of(sequence, incarnation))
    if found is None or len(found[1]) < 6:
        return None
    payload = found[1]
    return incarnation, int.from_bytes(payload[4:6], "little"), payload[6:]


def take_apart(data: bytes, number: int, end: int = SECTOR) -> Sector:
    """A whole sector: head, every record, what counts, what is torn.

    ``end``: where its records end, when the sector after it says so.
    """
    head = read_head(data, number)
    sector = Sector(number, head, data.count(b"\xff") == len(data))
    if head is None:
        return sector
    resumes = []
    for offset in range(PAGE + 1, end, PAGE):
        found = resume_at(data, offset, head.sequence)
        if found is not None:
            resumes.append((offset, *found))
    # From the newest RESUME back: each makes void what lies between its mark and itself.
    stretches = []
    stop = end
    for offset, incarnation, start, copy in reversed(resumes):
        if offset < stop:
            stretches.append((offset, stop, incarnation, start, copy))
            stop = start
    stretches.append((head.size, stop, head.incarnation, 0, b""))
    stretches.reverse()
    for i, (begin, stop, incarnation, start, copy) in enumerate(stretches):
        at = begin
        if i:
            behind = begin + 6 + 6 + len(copy)
            payload = data[begin + 2 : behind - 4]
            sector.records.append(
                Record(number, head.sequence, begin, 11, payload, incarnation)
            )
            if len(copy) >= 2:
                kind = copy[0] & 31
                sector.records.append(
                    Record(
                        number, head.sequence, begin, kind, copy[2:], incarnation, copy_of=start
                    )
                )
            at = sector.end = behind
        _stretch(sector, data, at, stop, head.sequence, incarnation)
        if i < len(stretches) - 1:
            void = stretches[i + 1]
            between = [one for one in resumes if stop <= one[0] < void[0]]
            _void(sector, data, stop, void[0], head.sequence, incarnation, between)
    return sector


def _stretch(
    sector: Sector, data: bytes, at: int, stop: int, sequence: int, incarnation: int
) -> None:
    seed = seed_of(sequence, incarnation)
    bad: int | None = None
    while at + 6 <= stop:
        if data[at] == 0xFF:  # the rest of this page is not used
            at = (at | 255) + 1
            continue
        found = frame(data, at, seed, stop)
        if found is None:
            bad = at if bad is None else bad
            at = _next_record(data, at + 1, stop, seed)
            continue
        if bad is not None:
            sector.torn.append((bad, at))
            bad = None
        kind, payload = found
        if kind != 11:
            sector.records.append(
                Record(sector.number, sequence, at, kind, payload, incarnation)
            )
        at += 6 + len(payload)
        sector.end = at
    if bad is not None:
        sector.torn.append((bad, _last_used(data, bad, stop)))


def _next_record(data: bytes, at: int, stop: int, seed: int) -> int:
    while at + 6 <= stop:
        if data[at] != 0xFF and frame(data, at, seed, stop) is not None:
            return at
        at += 1
    return stop


def _last_used(data: bytes, at: int, stop: int) -> int:
    return at + len(data[at:stop].rstrip(b"\xff"))


def _void(
    sector: Sector,
    data: bytes,
    at: int,
    stop: int,
    sequence: int,
    incarnation: int,
    resumes: list[tuple[int, int, int, bytes]],
) -> None:
    # What a RESUME made void: shown, not counted. ``resumes``: those of earlier start-ups in it.
    found = frame(data, at, seed_of(sequence, incarnation), stop)
    if found is not None and found[0] != 11:
        sector.records.append(
            Record(sector.number, sequence, at, *found, incarnation, counts=False)
        )
        at += 6 + len(found[1])
    for offset, opened, _, copy in resumes:
        _void_rest(sector, data, at, offset - 1)  # the byte before a RESUME is its own
        at = offset + 12 + len(copy)
        payload = data[offset + 2 : at - 4]
        sector.records.append(
            Record(sector.number, sequence, offset, 11, payload, opened, counts=False)
        )
    _void_rest(sector, data, at, stop - 1)


def _void_rest(sector: Sector, data: bytes, at: int, stop: int) -> None:
    end = _last_used(data, at, stop)
    if end > at and data[at:end].strip(b"\xff\0"):
        sector.void.append((at, end))
