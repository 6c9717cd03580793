"""Card reader and scanner: the bytes that a swipe or a scan puts on the wire."""

from __future__ import annotations

START, END, SEPARATOR = ";", "?", "="


def luhn_digit(digits: str) -> str:
    """The check digit that belongs behind ``digits`` (ISO/IEC 7812-1)."""
    total = 0
    for i, character in enumerate(reversed(digits)):
        value = int(character) * (1 if i % 2 else 2)
        total += value // 10 + value % 10
    return str(-total % 10)


def lrc(track: str, first: int = 0x30) -> str:
    """The LRC character of a track with sentinels (ISO/IEC 7811-2): the columns have even parity.

    ``first``: the character that stands for the bits 0: 0x30 on track 2, 0x20 on track 1.
    """
    bits = 0
    for character in track:
        bits ^= ord(character) - first
    return chr(first + bits)


class Reader:
    """A swipe reader and a scanner with a serial output.

    ``lrc``: it sends the LRC; ``track1``: it sends track 1 as well; ``end``: what ends a swipe.
    """

    def __init__(self, lrc: bool = False, track1: bool = False, end: bytes = b"\r") -> None:
        self.lrc = lrc
        self.track1 = track1
        self.end = end

    def swipe(
        self,
        pan: str,
        expiry: str = "3012",
        service_code: str = "101",
        discretionary: str = "00000",
        name: str = "TEST/CARD",
        damage: str | None = None,
    ) -> bytes:
        """The bytes of one swipe. ``expiry``: YYMM.

        ``damage``: "half" (the card stopped in the middle), "bit" (one bit of one digit), "noise"
        (a byte that is no character), "long" (more digits than a track holds), "lrc" (a wrong LRC),
        "error" (the reader could not read it and says so), "no-start" (the first sentinel is lost),
        "track1" (only track 1 could be read).
        """
        body = f"{pan}{SEPARATOR}{expiry}{service_code}{discretionary}"[:37]
        if damage == "long":
            body += "0" * 60
        if damage == "error":
            body = "E"
        track2 = f"{START}{body}{END}"
        if self.lrc or damage in ("lrc", "bit"):
            # A reader that sends the LRC sends the one it read, so a flipped bit shows.
            track2 += lrc(track2)
        if damage == "lrc":
            track2 = track2[:-1] + chr(ord(track2[-1]) ^ 1)
        data = track2.encode("ascii")
        if damage == "bit":
            data = data[:5] + bytes((data[5] ^ 1,)) + data[6:]
        elif damage == "noise":
            data = data[:8] + b"\xf5" + data[9:]
        elif damage == "half":
            return data[: len(data) // 2]
        elif damage == "no-start":
            data = data[1:]
        elif damage == "track1":
            data = b""
        with_track1 = self.track1 or damage == "track1"
        return (self._track1(pan, expiry, service_code, name) if with_track1 else b"") + (
            data + self.end
        )

    def _track1(self, pan: str, expiry: str, service_code: str, name: str) -> bytes:
        track = f"%B{pan}^{name}^{expiry}{service_code}00000000?"
        return (track + (lrc(track, 0x20) if self.lrc else "")).encode("ascii")

    def scan(self, text: str) -> bytes:
        """The bytes of a scanned bar code."""
        return text.encode("ascii") + b"\r"
