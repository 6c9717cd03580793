"""Operators, passwords and lock-outs."""

from journal_chip import Nor
from memory_vault import MemoryVault

from mobi import settings
from mobi.access import ADMINISTRATOR, SUPERVISOR, Access, Locked, lock_seconds, password_length
from mobi.journal.vault import Vault


class World:
    def __init__(self):
        self.vault = MemoryVault()
        self.time = 700000000
        self.access = self.again()
        self.access.install()

    def again(self):
        """The same vault after a restart."""
        return Access(self.vault, lambda: self.time, lambda n: b"\x05" * n)


def locked_for(access, number, password):
    try:
        access.check(number, password)
    except Locked as lock:
        return lock.seconds
    return 0


def test_presets_and_their_passwords():
    access = World().access
    assert access.operators() == [0, 1, 2, 3, 4, 5, 99]
    assert access.check(1, "0000") and access.check(SUPERVISOR, "123456")
    assert access.check(ADMINISTRATOR, "00000000") and not access.check(7, "0000")
    assert access.uses_preset(1)
    access.set_password(1, "4711")
    assert not access.uses_preset(1) and access.check(1, "4711")


def test_the_third_wrong_password_locks_and_the_time_grows():
    world = World()
    access = world.access
    assert not access.check(1, "1") and not access.check(1, "1")
    assert locked_for(access, 1, "1") == 60
    assert locked_for(access, 1, "0000") == 60  # even the right one
    world.time += 61
    assert locked_for(access, 1, "1") == 120
    world.time += 121
    assert access.check(1, "0000")
    assert not access.check(1, "1")  # the count began anew


def test_a_restart_does_not_end_the_lock():
    world = World()
    for _ in range(2):
        world.access.check(1, "1")
    assert locked_for(world.access, 1, "1") == 60
    assert locked_for(world.again(), 1, "0000") == 60


def test_a_clock_that_went_back_begins_the_lock_again_and_no_longer():
    world = World()
    for _ in range(4):
        world.time += 61 if locked_for(world.access, 1, "1") else 0
    assert locked_for(world.access, 1, "0000") == 120 - 61
    world.time -= 1000000  # power was lost, the clock knows an older time
    assert locked_for(world.again(), 1, "0000") == 120
    world.time += 119
    assert locked_for(world.again(), 1, "0000") == 1
    world.time += 1
    assert world.access.check(1, "0000")


def test_a_lock_counts_on_while_it_is_tried():
    world = World()
    for _ in range(3):
        locked_for(world.access, 1, "1")
    world.time += 59
    assert locked_for(world.access, 1, "1") == 1  # no new try, no longer lock
    world.time += 1
    assert world.access.check(1, "0000")


def test_the_age_of_a_password():
    world = World()
    world.time += 90 * 86400
    assert world.access.password_days(1) == 90
    world.access.set_password(1, "4711")
    assert world.access.password_days(1) == 0
    world.access.check(1, "4711")
    world.time += 86400
    assert world.access.password_days(1) == 1  # logging in is not changing it
    world.time = 0
    assert world.access.password_days(1) == 0 and world.access.password_days(42) == 0


def test_an_account_that_does_not_read_right_does_not_exist():
    world = World()
    world.vault.put(b"o\x63", b"rubbish")
    assert not world.access.has_administrator() and not world.access.exists(99)
    assert not world.access.check(99, "00000000")
    world.vault.delete(b"o\x63")
    world.access.install()
    assert world.access.has_administrator()


def test_lock_times():
    assert [lock_seconds(n) for n in (0, 2, 3, 4, 5, 8, 9, 200)] == [
        0, 0, 60, 120, 240, 1920, 3600, 3600]


def test_no_password_lies_in_the_vault():
    vault = World().vault
    for value in vault.values.values():
        assert b"0000" not in value and b"123456" not in value


def test_lengths():
    assert (password_length(1), password_length(0), password_length(99)) == (4, 6, 8)


def test_all_operators_parameters_and_keys_fit_into_the_vault():
    vault = Vault(Nor(8192, unit=256), 256)
    vault.mount()
    vault.format()
    access = Access(vault, lambda: 700000000, lambda n: b"\x05" * n)
    access.install()
    for number in range(1, 98):
        access.set_password(number, "2468")
    values = settings.Settings(vault)
    for name, kind, _, _low, high in settings.TABLE:
        if kind == settings.TEXT:
            values.set(name, b"\xc4" * high)
        else:
            values.set(name, "9" * high if kind == settings.DIGITS else high)
    for key in (b"kT", b"kW", b"kC"):
        vault.put(key, b"k" * 24)
    for key, size in ((b"s", 1), (b"S", 12), (b"d", 1), (b"D", 4), (b"l", 4), (b"t", 8), (b"h", 31),
                      (b"r", 243)):
        vault.put(key, b"x" * size)
    # A full sector is copied to the other one: nothing is lost, and changes still fit.
    for turn in range(20):
        access.set_password(50, f"{turn:04d}")
    again = Access(vault, lambda: 700000000, lambda n: b"\x05" * n)
    assert len(again.operators()) == 99 and again.check(50, "0019") and again.check(97, "2468")
