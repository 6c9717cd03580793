"""The message set for `pyiso8583`, written down apart from the firmware's table: an oracle."""

from typing import Any

import iso8583

ENVELOPE = bytes.fromhex("6000030000" + "603100000100")


def _spec() -> dict[str, dict[str, Any]]:
    spec: dict[str, dict[str, Any]] = {}

    def add(key: int | str, enc: str, len_type: int, size: int, **more: Any) -> None:
        spec[str(key)] = {"data_enc": enc, "len_enc": "bcd", "len_type": len_type,
                          "max_len": size, "desc": "", **more}

    add("h", "b", 0, 0)
    add("t", "b", 0, 2)
    add("p", "b", 0, 8)
    for n in range(1, 65):
        add(n, "b", 1, 0)
    for n, size in ((3, 6), (4, 12), (11, 6), (12, 6), (13, 4), (14, 4), (15, 4), (25, 2),
                    (26, 2), (53, 16)):
        add(n, "b", 0, size, len_count="nibbles")
    add(22, "b", 0, 3, len_count="nibbles", right_pad="0")
    add(23, "b", 0, 3, len_count="nibbles", left_pad="0")
    for n, len_type, size in ((2, 1, 19), (32, 1, 11), (35, 1, 37), (36, 2, 104), (48, 2, 322),
                              (60, 2, 19), (61, 2, 29)):
        add(n, "b", len_type, size, len_count="nibbles", right_pad="0")
    for n, size in ((37, 12), (38, 6), (39, 2), (41, 8), (42, 15), (49, 3)):
        add(n, "ascii", 0, size)
    for n, len_type, size in ((44, 1, 25), (54, 2, 20), (55, 2, 255), (62, 2, 512), (63, 2, 163)):
        add(n, "b", len_type, size)
    for n in (52, 64):
        add(n, "b", 0, 8)
    return spec


SPEC = _spec()
TEXTS = (37, 38, 39, 41, 42, 49)
TRACKS = (35, 36)
RAW = (44, 52, 54, 55, 62, 63, 64)


def encode(values: dict[str, str], envelope: bytes = ENVELOPE) -> bytes:
    """A whole message; ``values`` by field number as text, "t" is the message type."""
    return envelope + bytes(iso8583.encode(dict(values), SPEC)[0])


def decode(message: bytes) -> dict[str, str]:
    """The fields of a whole message."""
    decoded, _ = iso8583.decode(bytes(message)[len(ENVELOPE):], SPEC)
    decoded.pop("p")
    return dict(decoded)
