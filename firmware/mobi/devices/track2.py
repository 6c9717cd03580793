"""Track 2 of a magnetic stripe: its parts, the check digit of a card number, the LRC.

ISO/IEC 7813: PAN of 12 to 19 digits, ``=``, expiry YYMM, service code, discretionary digits; at
most 37 characters between the sentinels ``;`` and ``?``. ISO/IEC 7811-2: characters are 0x30 plus
four bits; the LRC is the exclusive or of the bits of all characters, sentinels included.
"""

from micropython import const

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
    if not 12 <= len(pan) <= 19:
        raise BadTrack("card number")
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
