"""Dates as seconds since 2000-01-01 00:00 local time, 2000 to 2099, by our own calendar."""

_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAY = 86400
# How far behind the known time a host's may lie. Fields 12 and 13 carry no year, so a window of one
# year decides it: a terminal may have lain without power for nine months, and a host's clock may
# once have been three months fast.
_SLACK = 90 * _DAY
# A host's time further ahead of the known one than this has to be told on another day, too.
_LEAP = 60 * _DAY


def seconds(year, month, day, hour=0, minute=0, second=0):
    """Seconds since 2000."""
    years = year - 2000
    days = years * 365 + (years + 3) // 4 + _DAYS[month - 1] + day - 1
    if month > 2 and year % 4 == 0:
        days += 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def parts(time):
    """(year, month, day, hour, minute, second) of seconds since 2000."""
    days, rest = divmod(time, _DAY)
    year = 2000 + days * 4 // 1461
    while seconds(year + 1, 1, 1) <= time:
        year += 1
    while seconds(year, 1, 1) > time:
        year -= 1
    month = 12
    while seconds(year, month, 1) > time:
        month -= 1
    day = (time - seconds(year, month, 1)) // _DAY + 1
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60


def text(time):
    """2026-11-22 09:05"""
    return "%04d-%02d-%02d %02d:%02d" % parts(time)[:5]


def _exists(year, month, day):
    if month == 2:
        return day <= (29 if year % 4 == 0 else 28)
    return day <= (30 if month in (4, 6, 9, 11) else 31)


def of_host(stamp, known):
    """The host's MMDDhhmmss as seconds since 2000: the first such moment not before ``known``.

    Fields 12 and 13 carry no year; ``known`` is the latest moment the terminal is sure to be past.
    A clock may have been fast: up to 90 days before ``known`` are taken for the past, not for next
    year. None when the stamp is no date.
    """
    if len(stamp) != 10 or not stamp.isdigit():
        return None
    month, day, hour, minute, second = [int(stamp[i : i + 2]) for i in range(0, 10, 2)]
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    first = max(0, known - _SLACK)
    # A leap day may have to wait for its year.
    for year in range(parts(first)[0], 2100):
        if _exists(year, month, day):
            time = seconds(year, month, day, hour, minute, second)
            if time >= first:
                return time
    return None


def surely(time, known, doubted):
    """What a host's ``time`` adds to what is known for sure: (known, doubted) as they are then.

    One wrong clock must not push the year ahead for good. What is up to 60 days ahead of ``known``
    is believed: the window of ``of_host`` brings it back. What lies further ahead is ``doubted``
    (0: nothing is) until a host tells such a time on another day.
    """
    if time - known <= _LEAP:
        return max(time, known), 0
    if _DAY <= time - doubted <= _LEAP:
        return time, 0
    return known, doubted if 0 <= time - doubted < _DAY else time
