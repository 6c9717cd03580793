"""The trace: every message in and out, decoded and masked, with the verdict and its reason."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from host_tools.acquirer.codec import SPEC, Fields

_STAMP = "%Y-%m-%d %H:%M:%S"
_HEAD = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S{1,8}) ([<>]) (\S{4}) (\S+)" +
    r"(?: trace \d{6})?(?: code \S\S)?(?:: (.*))?")
_FIELD = re.compile(r" {4}[ \d]\d ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``direction`` is ">" towards the host, "<" from it.

    ``fields`` are masked: no full card number, no track, PIN block, expiry or key is in them.
    ``verdict`` says what the host decided and which check failed, or what a rule did.
    """

    time: datetime
    direction: str
    operation: str
    terminal: str
    fields: Fields
    verdict: str

    def __str__(self) -> str:
        return self.text(details=False)

    def text(self, details: bool = True) -> str:
        """Readable; one line with the time of day, or with ``details`` the date and each field."""
        mti = self.fields.get("t", "????")
        trace = self.fields.get("11", "")
        code = self.fields.get("39", "")
        time = self.time.strftime(_STAMP if details else "%H:%M:%S")
        head = (f"{time} {self.terminal or '????????'} {self.direction} {mti} " +
                f"{self.operation}")
        if trace:
            head += f" trace {trace}"
        if code:
            head += f" code {code}"
        if self.verdict:
            head += f": {self.verdict}"
        if not details:
            return head
        lines = [head]
        for key in sorted((key for key in self.fields if key.isdecimal()), key=int):
            lines.append(f"    {key:>2} {SPEC[key]['desc']:<20} {self.fields[key]}")
        return "\n".join(lines)


class Trace:
    """The newest ``limit`` entries, oldest first, and a count of all."""

    def __init__(self, limit: int):
        self._entries: deque[Entry] = deque(maxlen=limit)
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, at: int) -> Entry:
        return self._entries[at]

    def add(self, entry: Entry) -> None:
        """Append; the oldest one falls out when the ring is full."""
        self.count += 1
        self._entries.append(entry)

    def since(self, count: int) -> list[Entry]:
        """What was added after ``count`` was the count, as far as the ring still has it."""
        fresh = min(self.count - count, len(self._entries))
        return list(self._entries)[-fresh:] if fresh > 0 else []

    def text(self, details: bool = True) -> str:
        """All entries that are still there, oldest first."""
        return "\n".join(entry.text(details) for entry in self)


def read_text(text: str) -> list[Entry]:
    """The messages in a text that `mobi host --trace` or ``Bench.save`` wrote; other lines in it
    are passed over."""
    entries: list[Entry] = []
    for line in text.splitlines():
        head = _HEAD.fullmatch(line)
        if head is not None:
            time, terminal, direction, mti, operation, verdict = head.groups()
            entries.append(Entry(
                datetime.strptime(time, _STAMP), direction, operation,
                "" if terminal.startswith("?") else terminal, {"t": mti}, verdict or ""))
        elif entries and _FIELD.match(line):
            key = line[4:6].strip()
            name = f"{SPEC[key]['desc']:<20} " if key in SPEC else ""
            if name and line[7:].startswith(name):
                entries[-1].fields[key] = line[7 + len(name):]
    return entries
