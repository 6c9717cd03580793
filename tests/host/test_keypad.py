"""The keypad model: contacts, bounces, currents through the matrix; its keys are the firmware's."""

import pytest

from host_tools.bench.keypad import Keypad, NoSuchKey, ShortCircuit
from mobi.devices import keypad as driver


def test_the_keys_are_where_the_firmware_thinks():
    assert Keypad().layout == driver.LAYOUT


def test_names_and_places():
    keypad = Keypad()
    assert len(keypad.names) == 20
    assert keypad.where("ENTER") == (4, 3)
    with pytest.raises(NoSuchKey, match="no key 'MENU'; there are FN, VOID"):
        keypad.press("MENU")
    assert Keypad((("A", ""), ("", "B"))).names == ["A", "B"]


def test_pressing_and_releasing():
    keypad = Keypad()
    keypad.press("5")
    keypad.press("1")
    assert keypad.contacts() == [(1, 0), (2, 1)]
    keypad.release("5")
    assert keypad.contacts() == [(1, 0)]
    keypad.release_all()
    assert keypad.contacts() == []


def test_bounces_follow_their_schedule():
    keypad = Keypad()
    keypad.press("5", bounce=[(300, False), (700, True)], now_us=1000)
    assert keypad.next_change_us() == 1000
    seen = [bool(keypad.contacts(t)) for t in (999, 1000, 1299, 1300, 1699, 1700, 9999)]
    assert seen == [False, True, True, False, False, True, True]
    assert keypad.next_change_us() is None
    keypad.release("5", bounce=[(100, True)], now_us=20000)
    assert [bool(keypad.contacts(t)) for t in (20000, 20100, 20599, 20600)] == [
        False, True, True, False,
    ]


def test_asking_without_a_time_lets_everything_come_to_rest():
    keypad = Keypad()
    keypad.press("5", bounce=[(300, False), (700, True)], now_us=1000)
    assert keypad.contacts() == [(2, 1)]
    assert keypad.next_change_us() is None


def test_releasing_in_the_middle_of_a_bounce():
    keypad = Keypad()
    keypad.press("5", bounce=[(300, False), (700, True)], now_us=0)
    keypad.contacts(100)
    keypad.release("5", now_us=200)
    assert keypad.contacts(5000) == []


def test_current_goes_from_driven_rows_to_columns():
    keypad = Keypad()
    keypad.press("5")
    assert keypad.high_columns({2}, set()) == {1}
    assert keypad.high_columns({1}, set()) == set()
    assert keypad.high_columns({0, 1, 2, 3, 4}, set()) == {1}


def test_three_corners_make_a_ghost():
    keypad = Keypad()
    for name in ("1", "2", "4"):
        keypad.press(name)
    assert keypad.high_columns({2}, set()) == {0, 1}, "5 seems to be pressed"
    keypad.release("2")
    assert keypad.high_columns({2}, set()) == {0}


def test_high_and_low_rows_must_not_meet():
    keypad = Keypad()
    keypad.press("1")
    keypad.press("4")
    with pytest.raises(ShortCircuit):
        keypad.high_columns({1}, {2})
    assert keypad.high_columns({1}, {0, 3}) == {0}
