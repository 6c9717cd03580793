"""Track 2 of a magnetic stripe: its parts, the check digit of a card number, the LRC.

ISO/IEC 7813: PAN of up to 19 digits, ``=``, expiry YYMM, service code, discretionary digits; at
most 37 characters between the sentinels ``;`` and ``?``. Cards are taken with 13 digits or more:
of a shorter number the journal keeps nothing, so its sale could never be reversed.
ISO/IEC 7811-2: characters are 0x30 plus four bits; the LRC is the exclusive or of the bits of all
characters, sentinels included.
"""

from micropython import const

PAN_MIN = const(13)
PAN_MAX = const(19)
# What BadTrack says when the stripe was read well, but the number is not one that is taken.
NOT_TAKEN = "card number"
_MOST = const(37)


class BadTrack(Exception):
    """The text is not a track 2; says why, never what it was."""


def parse(track):
    """(PAN, expiry YYMM, service code) of ``track`` without sentinels; ``BadTrack``."""
    pan, separator, rest = track.partition("=")
    if not separator or len(track) > _MOST:
        raise BadTrack("length")
    if not (pan + rest).isdigit():
        raise BadTrack("characters")
    if not PAN_MIN <= len(pan) <= PAN_MAX:
        raise BadTrack(NOT_TAKEN)
    if len(rest) < 7 or not "01" <= rest[2:4] <= "12":
        raise BadTrack("expiry")
    return pan, rest[:4], rest[4:7]


def luhn(pan):
    """Does the last digit of ``pan`` fit the others (ISO/IEC 7812-1)? False if not all digits."""
    if not pan.isdigit():
        return False
    total = 0
    double = False
    for i in range(len(pan) - 1, -1, -1):
        digit = ord(pan[i]) - 0x30
        if double:
            digit *= 2
            if digit > 9:
                digit -= 9
        total += digit
        double = not double
    return total % 10 == 0


def lrc(data, begin, end):
    """The LRC character over ``data[begin:end]``, which starts with ``;`` and ends with ``?``."""
    bits = 0
    for i in range(begin, end):
        bits ^= data[i]
    return 0x30 | bits & 0x0F
