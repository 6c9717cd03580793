"""Delivers merchant events: to a file of JSON lines, to a webhook, or both.

Events wait in the database until every sink has taken them, so a restart loses none. A sink may
get an event twice (a crash between delivery and noting it): the number tells. Events never
carry more of a card than its last four digits.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from host_tools.acquirer.host import Acquirer

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0


class SinkFailed(Exception):
    """Not delivered now; try again later. The text says why."""


class Sink(Protocol):
    """Where events go."""

    name: str

    def deliver(self, number: int, event: dict[str, Any]) -> None:
        """Take one event; ``SinkFailed`` when that must be tried again."""


class FileSink:
    """One JSON object per line, flushed to the disk event by event."""

    def __init__(self, path: Path):
        self.name = str(path)
        self.path = path

    def deliver(self, number: int, event: dict[str, Any]) -> None:
        line = json.dumps({"number": number, **event}, ensure_ascii=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkFailed(str(error)) from None


class Webhook:
    """HTTP POST of one event as JSON; the number also as header ``Idempotency-Key``.

    Answers 2xx: taken. 5xx, 408, 425, 429 or no connection: tried again. Any other answer is the
    receiver's refusal: told to ``say`` and not repeated, so that it does not hold up the rest.
    """

    def __init__(self, url: str, say: Callable[[str], None] = print, timeout_s: float = 10.0):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"webhook {url!r}: an address that begins with http:// or https://")
        self.name = url
        self.say = say
        self.timeout_s = timeout_s

    def deliver(self, number: int, event: dict[str, Any]) -> None:
        body = json.dumps({"number": number, **event}, ensure_ascii=False).encode()
        request = urllib.request.Request(self.name, body, {
            "Content-Type": "application/json", "Idempotency-Key": str(number)}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s):
                return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= 500 or error.code in (408, 425, 429):
                raise SinkFailed(f"HTTP {error.code}") from None
            self.say(f"{self.name} refuses event {number} with HTTP {error.code}: not repeated")
        except (OSError, http.client.HTTPException) as error:
            raise SinkFailed(str(getattr(error, "reason", error))) from None


def sinks(file: Path | None, url: str | None, say: Callable[[str], None] = print) -> list[Sink]:
    """Where the options ``--notices`` and ``--webhook`` lead. ``ValueError``: there is no such
    address, or the file cannot be written to; the text says what to do."""
    found: list[Sink] = []
    if file is not None:
        try:
            file.open("a").close()
        except OSError as error:
            raise ValueError(
                f"notices cannot go to {file}: {error.strerror}. Nothing was started; name a file "
                + "in a folder that is there and may be written to.") from error
        found.append(FileSink(file))
    if url is not None:
        found.append(Webhook(url, say))
    return found


class Courier:
    """Takes waiting events from the acquirer to the sinks, in order, on its own thread."""

    def __init__(self, acquirer: Acquirer, sinks: Sequence[Sink],
                 say: Callable[[str], None] = print):
        self._acquirer = acquirer
        self._sinks = sinks
        self._say = say
        self._taken: dict[str, int] = {sink.name: 0 for sink in sinks}
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._retry_s = FIRST_RETRY_S
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin; what waits from before is delivered first."""
        self._wake.set()
        self._thread.start()

    def poke(self) -> None:
        """Something may be waiting."""
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Try once more what waits, then end; the rest stays in the database."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def deliver_waiting(self) -> bool:
        """One round; False when a sink failed and something still waits."""
        while True:
            try:
                waiting = self._acquirer.waiting_notices()
            except SQLAlchemyError as error:
                self._say(f"events cannot be read from the database: {error}")
                return False
            if not waiting:
                return True
            for number, event in waiting:
                for sink in self._sinks:
                    if self._taken[sink.name] >= number:
                        continue
                    try:
                        sink.deliver(number, event)
                    except SinkFailed as error:
                        self._say(f"{sink.name}: event {number} is not delivered: {error}. It " +
                                  f"is kept; next try in {self._retry_s:g} s.")
                        return False
                    self._taken[sink.name] = number
                self._acquirer.drop_notices([number])

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self.deliver_waiting():
                self._retry_s = FIRST_RETRY_S
            elif not self._stopped.is_set():
                self._stopped.wait(self._retry_s)
                self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
                self._wake.set()
            if self._stopped.is_set():
                return
