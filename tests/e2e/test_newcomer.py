"""Somebody who has never seen the terminal brings every start state to its right end.

He wants to sell something to the second customer, reads what the panel says and does just that: the
first rule whose words he finds there he follows. He knows no menu by heart, no keys but those the
panel names or that stand on the keypad, and nothing about the state he starts in.
"""

import pytest

from host_tools.bench import invariants
from mobi.acquiring import codes
from tests.e2e.kit import PIN, SUPERVISOR, pick, spent, states, word

AMOUNT = 1234
CUSTOMER = "second"


class Newcomer:
    """``wish``: the step he takes in a case when it is offered; else he takes the first one."""

    def __init__(self, bench, wish=""):
        self.b = bench
        self.wish = wish
        self.errand = ""  # what the panel told him to do in the menu
        self.read = []  # everything he read, for the assertions

    def sees(self, name):
        return self.b.shows(word(self.b, name))

    def works(self):
        """Follow the panel until the sale is made and the terminal is idle."""
        for _ in range(120):
            self.read.append("\n".join(self.b.screen()))
            if self.sees("idle_keys") and self.sold() and not self.sees("badge"):
                return
            self.step()
        raise AssertionError("he is lost:\n" + "\n--\n".join(self.read[-8:]))

    def sold(self):
        return any(t.amount == AMOUNT and t.state == "approved" for t in self.b.journal())

    def step(self):
        b = self.b
        for code, errand in TOLD.items():
            if b.shows(codes.advice(code, int(b.language == "en"))):
                self.errand = errand
        for name, keys in RULES:
            if self.sees(name):
                self.press(keys)
                return
        if self.sees("idle_keys"):
            self.at_the_idle_screen()
        elif self.sees("swipe_card"):
            b.swipe(CUSTOMER)
        elif b.screen()[1][:1] == "1":
            self.in_a_menu()
        elif b.screen()[0][-1:] in ("↓", "↕"):
            b.press("DOWN")
        elif b.screen()[0][-1:] == "↑":
            b.press("ENTER")
        else:
            self.wait()

    def press(self, keys):
        b = self.b
        for key in keys:
            if key == "paper":
                b.rig.load_paper()
            elif key.isdigit():
                b.type(key)
            else:
                b.press(key)

    def at_the_idle_screen(self):
        if self.sees("badge"):
            self.errand = "unfinished"
        if self.errand:
            self.b.press("ENTER")  # the menu
        else:
            self.b.swipe(CUSTOMER)

    def in_a_menu(self):
        b = self.b
        for name in (self.wish, self.errand, "manage" if self.errand == "settle" else ""):
            if name and self.listed(word(b, name)):
                pick(b, word(b, name))
                if name == self.errand:
                    self.errand = ""
                return
        b.press("1")

    def listed(self, label):
        # Is it in the menu, on this page or another?
        seen = set()
        while tuple(self.b.screen()) not in seen:
            seen.add(tuple(self.b.screen()))
            rows = "\n".join(self.b.screen()[1:])
            if any(f"{digit}{label}" in rows for digit in range(10)):
                return True
            for _ in range(3):
                self.b.press("DOWN")
        return False

    def wait(self):
        before = self.b.screen()
        self.b.clock.advance(4)
        if self.b.screen() == before:
            self.b.press("ENTER")


# Words on the panel (ids of texts) and what they make him do.
RULES = (
    ("any_key_signs_on", ["ENTER"]),
    ("any_key", ["ENTER"]),
    ("printer_paper", ["paper", "ENTER"]),
    ("tear_off", ["ENTER"]),
    ("enter_prints", ["ENTER"]),
    ("reversal_done", ["ENTER", "CANCEL"]),  # that is done; he leaves it
    ("settle_sure", ["ENTER"]),
    ("enter_amount", [str(AMOUNT), "ENTER"]),
    ("enter_pin", [PIN, "ENTER"]),
    ("supervisor_password", [SUPERVISOR, "ENTER"]),
    ("enter_steps", ["ENTER"]),
    ("enter_continues", ["ENTER"]),
)
# Codes whose advice, when he reads it, is an errand: settle; sign on, so he leaves the sale.
TOLD = {"LD": "settle", "99": "way_none"}


@pytest.fixture(params=["zh", "en"])
def comes(make_bench, request):
    def at(state, wish=""):
        return Newcomer(make_bench(state=state, language=request.param), wish)

    return at


def ended(he, cuts=0):
    assert spent(he.b, CUSTOMER) == AMOUNT
    invariants.check(he.b, rest=True, cuts=cuts + 1)  # a start state was switched off and on once


def test_a_pending_reversal(comes):
    he = comes("pending-reversal", "step_reverse")
    he.works()
    assert states(he.b) == [("sale", "reversed"), ("sale", "approved")] and spent(he.b) == 0
    ended(he)


def test_a_pending_reversal_that_is_left_to_the_terminal(comes):
    # He does not look at the badge at all, and just sells.
    he = comes("pending-reversal")
    he.at_the_idle_screen = lambda: he.b.swipe(CUSTOMER)
    he.works()
    assert states(he.b) == [("sale", "reversed"), ("sale", "approved")] and spent(he.b) == 0
    ended(he)


def test_a_late_approval(comes):
    he = comes("late-approval", "accept_sale")
    he.works()
    assert states(he.b) == [("sale", "approved")] * 2 and spent(he.b) == 7700
    assert "77.00" in he.b.paper()
    ended(he)


def test_an_unknown_refund(comes):
    he = comes("refund-unknown")
    he.works()
    assert states(he.b)[:2] == [("sale", "refunded"), ("refund", "approved")]
    assert spent(he.b) == 8000 - 3000
    ended(he)


def test_a_full_batch(comes):
    he = comes("batch-full")
    he.works()
    assert states(he.b)[-1] == ("sale", "approved") and he.b.journal()[-1].batch == 2
    assert {t.state for t in he.b.journal()[:-1]} == {"settled"}
    ended(he)


def test_an_interrupted_upload(comes):
    he = comes("upload-interrupted")
    he.works()
    assert he.b.journal()[-1].batch == 2 and he.b.host.ledger().discrepancies == []
    ended(he)


def test_expired_keys(comes):
    he = comes("keys-expired")
    he.works()
    assert [state for _, state in states(he.b)] == ["approved", "declined", "approved"]
    ended(he)


def test_no_paper(comes):
    he = comes("paper-out")
    he.works()
    assert he.b.journal()[0].printed == 3 and "60.00" in he.b.paper()
    ended(he)
