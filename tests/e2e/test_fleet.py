"""Many terminals in one process: each as if alone, all at the same time, the money right in sum."""

import itertools

import pytest

from host_tools.bench import Bench, stories
from host_tools.bench.fleet import SLICE_US, Fleet, FleetError


def signed_on(fleet):
    fleet.run(Bench.power_on)
    fleet.run(Bench.sign_on)
    return fleet


def test_every_terminal_sells_and_the_books_hold_all_of_it():
    with signed_on(Fleet(12, journal_kib=64)) as fleet:
        sold = fleet.run(lambda b: stories.sale(b, 1000 + int(b.terminal)))
        assert [txn.amount for txn in sold] == [1000 + n for n in range(1, 13)]
        ledger = fleet.host.ledger()
        ledger.check()
        assert ledger.balance("merchant") == sum(txn.amount for txn in sold)
        assert {txn.terminal for txn in ledger.transactions} == {b.terminal for b in fleet.benches}


def test_they_sell_at_the_same_time():
    with signed_on(Fleet(5, journal_kib=64)) as fleet:
        before = len(fleet.host.trace)
        fleet.run(lambda b: [stories.sale(b, 1000 + n) for n in range(3)])
        met = [entry for entry in list(fleet.host.trace)[before:] if entry.direction == ">"]
        times = [entry.time for entry in met]
        # Each sells three times; nobody waits for another, and no message is far out of turn.
        turns = [a.terminal != b.terminal for a, b in itertools.pairwise(met)]
        assert len(met) == 15 and sum(turns) > 10
        late = max(a - b for a, b in itertools.pairwise(times))
        assert late.total_seconds() <= SLICE_US / 1e6


def test_the_same_seed_gives_the_same_flash_again():
    def day():
        with signed_on(Fleet(3, seed=7, journal_kib=64)) as fleet:
            fleet.run(lambda b: stories.sale(b, 1000))
            fleet.run(stories.settle)
            return [bytes(chip.mem) for b in fleet.benches for chip in b.rig.flash]

    assert day() == day()


def test_a_terminal_whose_power_fails_does_not_hold_the_others_up():
    with signed_on(Fleet(4, journal_kib=64)) as fleet:
        fleet.benches[2].power_cut(at_flash_op=1)
        with pytest.raises(FleetError, match=r"1 of 4 terminals failed\nterminal 00000003"):
            fleet.run(lambda b: stories.sale(b, 1000))
        fleet.run(stories.recover)
        fleet.run(lambda b: stories.sale(b, 2000))
        assert [b.journal()[0].state for b in fleet.benches] == [
            "approved", "approved", "reversed", "approved"]
        fleet.host.ledger().check()


def test_a_terminal_that_sleeps_is_not_looked_at(monkeypatch):
    with signed_on(Fleet(2, journal_kib=64)) as fleet:
        quiet = fleet.benches[1].board
        woken = []
        resume = quiet.resume
        monkeypatch.setattr(quiet, "resume", lambda: (woken.append(1), resume()))
        fleet.run(lambda b: stories.sale(b, 1000) if b is fleet.benches[0] else b.clock.advance(8))
        alone = len(woken)
        assert 0 < alone < 60  # its own clock, watchdog and housekeeping, as on a bench of its own
