"""Dates as seconds since 2000-01-01 00:00 local time, 2000 to 2099, by our own calendar."""

_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAY = 86400
# A clock that is slightly fast may read the host's "yesterday" as the past, not as next year.
_SLACK = 2 * _DAY


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


def of_host(stamp, known):
    """The host's MMDDhhmmss as seconds since 2000: the first such moment not before ``known``.

    Fields 12 and 13 carry no year; ``known`` is the latest moment the terminal is sure to be past.
    None when the stamp is no date.
    """
    if len(stamp) != 10 or not stamp.isdigit():
        return None
    month, day, hour, minute, second = [int(stamp[i : i + 2]) for i in range(0, 10, 2)]
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    year = parts(known)[0]
    while True:
        time = seconds(year, month, day, hour, minute, second)
        if time >= known - _SLACK or year >= 2099:
            return time
        year += 1
