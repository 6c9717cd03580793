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


def host_stamp(time):
    return "".join(f"{part:02d}" for part in dates.parts(time)[1:])


def test_the_hosts_time_is_itself_for_every_pair_within_the_slack():
    # Both sides of the year and of 29 February, of years with and without one.
    steps = (-89, -31, -2, -1, 0, 1, 2, 31, 89)
    for year in (2023, 2024, 2026, 2027, 2028, 2099):
        for month, day in ((1, 1), (3, 1)):
            edge = dates.seconds(year, month, day)
            for before in (-86401, -86400, -3600, -1, 0, 1, 3600, 86399):
                known = edge + before
                for days in steps:
                    for second in (-1, 0, 1):
                        time = known + days * 86400 + second
                        if time <= dates.seconds(2099, 12, 31):
                            stamp = host_stamp(time)
                            assert dates.of_host(stamp, known) == time, (known, stamp)


def test_new_year_is_read_on_both_sides():
    new_year = dates.seconds(2027, 1, 1)
    assert dates.of_host("1231235900", new_year) == new_year - 60
    assert dates.of_host("0101000100", new_year - 60) == new_year + 60


def test_the_leap_day_waits_for_its_year():
    assert dates.of_host("0229120000", dates.seconds(2026, 11, 22)) == dates.seconds(
        2028, 2, 29, 12)
    assert dates.of_host("0229120000", dates.seconds(2028, 3, 1)) == dates.seconds(2028, 2, 29, 12)
    assert dates.of_host("0230120000", 0) is None
    assert dates.of_host("0631120000", 0) is None


def test_a_wrong_host_clock_never_moves_the_year_for_good():
    # Whatever the host says once, or all day long: its right time is read right afterwards.
    for month in range(1, 13):
        sure = (dates.seconds(2026, 11, 22), 0)
        now = sure[0] + 3600
        for _ in range(5):  # and again, weeks later
            for _ in range(3):
                wrong = dates.of_host(f"{month:02d}15120000", sure[0])
                sure = dates.surely(wrong, *sure)
            now += 20 * 86400
            assert dates.of_host(host_stamp(now), sure[0]) == now, month
            sure = dates.surely(now, *sure)
            assert now <= sure[0] <= now + 60 * 86400 and not sure[1]


def test_a_terminal_that_lay_in_a_drawer_believes_the_second_day():
    sure = (dates.seconds(2026, 1, 10), 0)
    now = dates.seconds(2026, 9, 1, 9)
    assert dates.of_host(host_stamp(now), sure[0]) == now
    sure = dates.surely(now, *sure)
    assert sure == (dates.seconds(2026, 1, 10), now)
    assert dates.surely(now + 3600, *sure) == sure
    assert dates.surely(now + 86400, *sure) == (now + 86400, 0)
