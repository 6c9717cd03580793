"""Any order of steps, faults and cuts: the journal against the model, on both interpreters."""

from __future__ import annotations

import json
import os
import subprocess
from binascii import crc32

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from journal_chip import MODES, RuleBroken
from journal_player import Life, Wrong

from host_tools.micropython import find
from host_tools.places import ROOT
from mobi import transactions as tx
from mobi.journal.log import Journal, JournalError
from tests.powercut.sweep import SECTORS

FIRMWARE_TESTS = ROOT / "tests" / "firmware"
EXAMPLES = 120
STEPS = 40


class Machine(RuleBasedStateMachine):
    """A terminal's journal between a chip that fails and a model that does not."""

    told: list[dict]  # every life that was played, for MicroPython
    make: type

    @initialize(
        unit=st.sampled_from((1, 256)),
        seed=st.integers(1, 1000),
        trace=st.sampled_from((1, 999990)),
    )
    def begin_life(self, unit, seed, trace):
        self.steps: list[list] = []
        self.start = {"unit": unit, "seed": seed, "trace": trace}
        self.life = Life(unit, seed, trace, make=self.make)

    def play(self, *step):
        self.steps.append(list(step))
        try:
            self.life.play(self.steps[-1])
        except (Wrong, RuleBroken, JournalError, LookupError, ValueError, TypeError) as error:
            told = json.dumps({**self.start, "steps": self.steps})
            line = f"python -m tests.powercut.sweep --steps '{told}'"
            raise AssertionError(f"{error!r}\n    replay: {line}") from error

    def teardown(self):
        if hasattr(self, "life"):
            image = crc32(self.life.nor.mem)
            self.told.append({**self.start, "steps": self.steps, "image": image})

    def pick(self, n, *states):
        """One of the transactions in such a state; -1: there is none."""
        txns = self.life.model.txns
        found = [i for i, txn in enumerate(txns) if not states or txn["state"] in states]
        return found[n % len(found)] if found else -1

    @rule(amount=st.integers(1, 10**11), fat=st.sampled_from((0, 30, 160)))
    def sell(self, amount, fat):
        self.play("begin", tx.SALE, amount, -1, fat)

    @rule(count=st.integers(1, 5), fat=st.sampled_from((0, 160)), idle=st.booleans())
    def trade(self, count, fat, idle):
        for amount in range(1, count + 1):
            self.play("begin", tx.SALE, amount, -1, fat)
            n = len(self.life.model.txns) - 1
            if n >= 0 and self.life.model.txns[n]["state"] == tx.PENDING:
                self.play("approve", n)
                self.play("print", n, 1)
            if idle:
                self.play("idle", 9)

    @rule(
        n=st.integers(0, 99),
        kind=st.sampled_from((tx.VOID, tx.REFUND)),
        amount=st.integers(1, 99),
    )
    def take_back(self, n, kind, amount):
        # Any number of times: what may be undone is the flows' business, not the journal's.
        n = self.pick(n, tx.APPROVED)
        if n >= 0 and self.life.model.txns[n]["kind"] == tx.SALE:
            self.play("begin", kind, amount, n, 0)

    @rule(n=st.integers(0, 99))
    def ask_balance(self, n):
        self.play("begin", tx.BALANCE, 0, -1, 0)

    @rule(n=st.integers(0, 99), event=st.sampled_from(("approve", "decline", "lose", "drop")))
    def answer(self, n, event):
        n = self.pick(n, tx.PENDING, tx.UNKNOWN)
        if n >= 0:
            self.play(event, n)

    @rule(n=st.integers(0, 99), reason=st.sampled_from(("98", "A0", "06")))
    def reverse(self, n, reason):
        n = self.pick(n, tx.PENDING)
        if n >= 0:
            self.play("reverse", n, reason)

    @rule(n=st.integers(0, 99),
          event=st.sampled_from(("attempt", "undone", "doubt", "release", "approve")))
    def go_on_reversing(self, n, event):
        n = self.pick(n, tx.REVERSAL_DUE)
        if n >= 0:
            self.play(event, n)

    @rule(n=st.integers(0, 99), copy=st.sampled_from((1, 2)))
    def print_receipt(self, n, copy):
        n = self.pick(n, tx.APPROVED, tx.DECLINED)
        if n >= 0:
            self.play("print", n, copy)

    @rule(n=st.integers(-1, 99), size=st.integers(0, 180))
    def write_note(self, n, size):
        n = -1 if n < 0 else self.pick(n, tx.REVERSAL_DUE, tx.UNKNOWN)
        self.play("note", "C" if n >= 0 else "A", f"{len(self.steps)} " + "x" * size, n)

    @rule()
    def take_trace(self):
        self.play("trace")

    @rule(batch=st.integers(1, 999999))
    def take_batch_number(self, batch):
        self.play("batch", batch)

    @rule(stage=st.integers(1, 9))
    def settle_a_step(self, stage):
        self.play("stage", stage, "s" * stage)

    @rule(batch=st.integers(1, 999999))
    def settle(self, batch):
        self.play("settle", batch, f"sums before {batch}")

    @rule(steps=st.integers(1, 60))
    def idle(self, steps):
        self.play("idle", steps)

    @rule()
    def restart(self):
        self.play("restart")

    @rule(
        ops=st.integers(0, 12),
        mode=st.sampled_from(MODES),
        again=st.integers(-1, 3),
        then=st.sampled_from(MODES),
    )
    def cut_power(self, ops, mode, again, then):
        self.play("cut", ops, mode, again, then)

    @precondition(lambda self: not self.life.nor.faults)
    @rule(
        sector=st.integers(0, SECTORS - 1),
        fault=st.sampled_from(("program error", "program wrong", "erase error", "erase wrong")),
    )
    def break_a_sector(self, sector, fault):
        self.play("fault", sector, fault)


def run(number, examples, make=Journal):
    """Play so many lives, chosen by ``number``; what was played."""
    machine = type("Played", (Machine,), {"told": [], "make": make})
    run_machine(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return machine.told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(4))
def test_any_life_shows_what_the_model_shows(number, tmp_path, record_property):
    told = run(number, EXAMPLES)
    path = tmp_path / "lives.jsonl"
    path.write_text("".join(json.dumps(life) + "\n" for life in told))
    done = subprocess.run(
        [find(), "-X", "heapsize=8M", FIRMWARE_TESTS / "journal_replay.py", path],
        env=dict(os.environ, MICROPYPATH=f"{ROOT}/firmware:{FIRMWARE_TESTS}:.frozen"),
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["lives"] == len(told)
    assert counts["cuts"] > len(told) // 4  # the cuts that were ordered did come
    record_property("powercut", json.dumps(("journal: any order of steps, twice", counts)))
