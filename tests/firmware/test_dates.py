"""Dates: against known days, over leap years, and the year the host does not send."""

from mobi import dates


def test_known_moments():
    assert dates.seconds(2000, 1, 1) == 0
    assert dates.seconds(2000, 3, 1) == 60 * 86400
    assert dates.seconds(2026, 11, 22, 9, 5, 7) == 848653507
    assert dates.parts(848653507) == (2026, 11, 22, 9, 5, 7)


def test_every_day_of_a_century_goes_there_and_back():
    time = 0
    before = dates.parts(0)
    while time < dates.seconds(2099, 12, 31):
        time += 86400
        now = dates.parts(time)
        assert now > before and dates.seconds(*now) == time, now
        before = now


def test_text():
    assert dates.text(848653507) == "2026-11-22 09:05"


def test_the_year_of_the_host_is_the_first_that_fits():
    known = dates.seconds(2026, 11, 22)
    assert dates.of_host("1122090507", known) == 848653507
    assert dates.of_host("0101000000", known) == dates.seconds(2027, 1, 1)
    assert dates.of_host("1121235959", known) == dates.seconds(2026, 11, 21, 23, 59, 59)


def test_what_is_no_date_gives_none():
    for stamp in ("", "1322000000", "0100000000", "1122250000", "11x2090507"):
        assert dates.of_host(stamp, 0) is None, stamp
