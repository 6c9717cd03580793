"""The table of states and steps: whole, fit for the panel, printed into docs/states.md as it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from mobi import transactions as tx
from mobi.flows import steps, unfinished
from mobi.ui import strings
from mobi.ui.text import PAGE, page, width

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = (0, 1)
# States that a transaction of a kind can have; a balance moves no money, a refund is not reversed.
NEVER = {(tx.REVERSAL_DUE, tx.REFUND), (tx.REVERSED, tx.REFUND), (tx.UNKNOWN, tx.SALE),
         (tx.UNKNOWN, tx.VOID)}
NEVER |= {(state, tx.BALANCE) for state in (tx.REVERSAL_DUE, tx.REVERSED, tx.UNKNOWN, tx.RELEASED)}


def texts(name):
    return [strings.lookup(name, language) for language in LANGUAGES]


def test_the_page_is_current():
    tool = ROOT / "boards" / "cpython" / "states_page.py"
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_state_a_transaction_can_have_has_a_meaning():
    for state in tx.STATE_NAMES:
        for kind in tx.KIND_NAMES:
            if (state, kind) in NEVER:
                continue
            for name in steps.meaning(state, kind):
                assert not name or texts(name)
    assert {row[0] for row in steps.MEANING} == set(tx.STATE_NAMES) | set(steps.STANDINGS)


@pytest.mark.parametrize("label", [0, 1, 2, 3], ids=["here", "there", "safe", "tell"])
def test_each_meaning_fits_a_page_under_its_heading(label):
    for row in steps.MEANING:
        if row[2 + label]:
            for text in texts(row[2 + label]):
                assert len(page("heading:", text)) == PAGE, text


def test_every_step_is_known_and_its_label_fits_a_menu():
    assert [row[0] for row in steps.TABLE] == list(unfinished._STEPS)
    for step, states, why in steps.TABLE:
        assert set(states) <= set(tx.STATE_NAMES)
        for text in texts(step):
            assert width(text) <= 15, text
        for text in texts(why) if why else ():
            assert len(page("* label", text)) == PAGE, text
    assert {row[0] for row in steps.CONDITIONS} <= {row[0] for row in steps.TABLE}


def test_what_is_open_can_be_found_out_and_is_never_made_again():
    allowed = {step: states for step, states, _ in steps.TABLE}
    for state in (tx.REVERSAL_DUE, tx.UNKNOWN):
        for step in ("step_query", "step_release", "step_slip", "step_call", "step_history"):
            assert state in allowed[step], step
        for step in ("step_redo", "step_code", "step_void", "step_refund", "step_reprint"):
            assert state not in allowed[step], step


def test_a_step_is_refused_with_a_reason_in_every_other_state():
    always = {row[0] for row in steps.CONDITIONS if not row[2]}  # functions that give a text
    for step, states, why in steps.TABLE:
        assert why or step in always or set(states) == set(tx.STATE_NAMES), step
