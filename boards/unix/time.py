"""MicroPython's ``time`` on the bench's clock: 30-bit ticks as on a board, and the RTC's date."""

import bus

_MASK = (1 << 30) - 1
_HALF = 1 << 29
_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)

# Seconds since 2000-01-01 at power-on. Like the RTC of an RP2040 it knows nothing after a power
# cut and starts at its default date; the terminal sets it at sign-on.
_epoch = 662774400  # 2021-01-01
# Near the wrap of the counter, so that every run crosses it.
_TICKS_START = (1 << 30) - 20000


def ticks_us():
    return (_TICKS_START * 1000 + bus.now_us) & _MASK


def ticks_ms():
    return (_TICKS_START + bus.now_us // 1000) & _MASK


def ticks_cpu():
    return ticks_us()


def ticks_add(ticks, delta):
    return (ticks + delta) & _MASK


def ticks_diff(a, b):
    return ((a - b + _HALF) & _MASK) - _HALF


def sleep_us(us):
    until = bus.now_us + us
    while bus.now_us < until:
        bus.sleep_until(until)


def sleep_ms(ms):
    sleep_us(ms * 1000)


def sleep(seconds):
    sleep_us(int(seconds * 1000000))


def time():
    """Seconds since 2000-01-01 00:00, local time."""
    return _epoch + bus.now_us // 1000000


def set_time(seconds):
    """Set what ``time`` says now (for machine.RTC)."""
    global _epoch
    _epoch = seconds - bus.now_us // 1000000


def time_ns():
    return time() * 1000000000


def _leap(year):
    return year % 4 == 0  # 2000 to 2099


def gmtime(seconds=None):
    """(year, month, day, hour, minute, second, weekday, yearday) as MicroPython gives it."""
    if seconds is None:
        seconds = time()
    days, rest = divmod(int(seconds), 86400)
    weekday = (days + 5) % 7  # 2000-01-01 was a Saturday
    year = 2000
    while days >= (366 if _leap(year) else 365):
        days -= 366 if _leap(year) else 365
        year += 1
    yearday = days + 1
    month = 12
    while days < _first_day(year, month):
        month -= 1
    return (
        year, month, days - _first_day(year, month) + 1,
        rest // 3600, rest // 60 % 60, rest % 60, weekday, yearday,
    )


def _first_day(year, month):
    return _DAYS[month - 1] + (1 if month > 2 and _leap(year) else 0)


localtime = gmtime


def mktime(parts):
    """Seconds since 2000-01-01 for the first six numbers of ``gmtime``."""
    year, month, day, hour, minute, second = parts[:6]
    days = sum(366 if _leap(y) else 365 for y in range(2000, year))
    days += _first_day(year, month) + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second
