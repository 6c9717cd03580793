"""The trace: every message in and out, decoded and masked, with the verdict and its reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from host_tools.acquirer.codec import SPEC, Fields


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
        """Readable; one line, or one line per field with ``details``."""
        mti = self.fields.get("t", "????")
        trace = self.fields.get("11", "")
        code = self.fields.get("39", "")
        head = (f"{self.time:%H:%M:%S} {self.terminal or '????????'} {self.direction} {mti} " +
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
