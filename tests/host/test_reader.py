"""The card reader model: what a swipe puts on the wire, and what damage does to it."""

import pytest

from host_tools.bench.reader import Reader, lrc, luhn_digit

PAN = "6222021234567890128"


def test_a_swipe():
    assert Reader().swipe(PAN) == b";6222021234567890128=301210100000?\r"
    assert Reader(end=b"").swipe(PAN, "2512", "201", "123") == b";6222021234567890128=2512201123?"


def test_track_1_comes_first():
    data = Reader(track1=True, end=b"").swipe(PAN, name="LI/MING")
    assert data == b"%B6222021234567890128^LI/MING^301210100000000?" + Reader(end=b"").swipe(PAN)


def test_the_lrc_is_the_one_of_the_standard():
    # ISO/IEC 7811-2: even parity over each bit column, sentinels included.
    track = ";1234567890123445=99011200XXXX00000000?".replace("X", "0")
    assert lrc(track) == chr(0x30 + (0xB ^ 0xD ^ 0xF ^ 1 ^ 2 ^ 3 ^ 4 ^ 5 ^ 6 ^ 7 ^ 8 ^ 9 ^ 1
                                     ^ 2 ^ 3 ^ 4 ^ 4 ^ 5 ^ 9 ^ 9 ^ 1 ^ 1 ^ 2))
    data = Reader(lrc=True, track1=True).swipe(PAN)
    track1, _, track2 = data.rstrip(b"\r").partition(b";")
    for part, first in ((track1, 0x20), (b";" + track2, 0x30)):
        bits = 0
        for byte in part:
            bits ^= byte - first
        assert bits == 0


def test_a_track_has_at_most_37_characters():
    data = Reader(end=b"").swipe(PAN, discretionary="9" * 40)
    assert len(data) == 39


@pytest.mark.parametrize("damage", ["half", "bit", "noise", "long", "lrc", "error", "no-start"])
def test_damage_changes_the_bytes(damage: str):
    for reader in (Reader(), Reader(lrc=True)):
        assert reader.swipe(PAN, damage=damage) != reader.swipe(PAN)


def test_scans_end_with_a_return():
    assert Reader().scan("134567890123456789") == b"134567890123456789\r"


def test_check_digits():
    assert luhn_digit("622202123456789012") == "8"
    assert luhn_digit("7992739871") == "3"
    assert luhn_digit("") == "0"
