"""Magic amounts: a tester plays every mishap at the counter without a script."""

import pytest

from host_tools.acquirer import rules
from host_tools.bench import Bench, stories
from host_tools.bench.bench import WrongUse
from tests.e2e.kit import accept_late, ended_well, signed_on, states

# Tail -> what the terminal has made of the sale after a minute and a half, before anything else.
ENDS = {
    72: "approved", 73: "reversal_due", 74: "reversal_due", 76: "reversal_due", 77: "declined",
    78: "reversal_due", 79: "reversal_due", 81: "approved", 82: "approved", 83: "reversal_due",
    84: "reversal_due", 85: "reversal_due", 86: "reversal_due", 87: "approved",
    89: "reversal_due", 71: "approved", 51: "declined", 5: "declined",
}


@pytest.fixture
def b(make_bench):
    """A terminal that is signed on to a host with magic amounts."""
    return signed_on(make_bench(amounts=True, settings={"ask_reason": 0}))


def sold(b, amount):
    """The sale and whatever the terminal does about it, for a minute and a half."""
    stories.sale(b, amount, wait=False)
    if amount % 100 == 72:
        b.press("ENTER")  # take the part
    b.clock.advance(90)


@pytest.mark.parametrize("tail", sorted(ENDS))
def test_what_a_sale_of_that_amount_comes_to(b, tail):
    sold(b, 10000 + tail)
    assert states(b)[0] == ("sale", ENDS[tail])
    b.rig.load_paper()
    stories.recover(b)
    stories.sale(b, 4200)  # an ordinary one; what must be reversed goes first
    ended_well(b)


def test_every_fault_of_the_table_is_tried_here():
    faults = {number for number in range(100)
              if (rule := rules.magic("sale", 10000 + number)) is not None and not rule.code}
    assert faults <= set(ENDS)


def test_a_late_approval_by_amount_can_be_accepted(b):
    sold(b, 10083)
    b.to_idle()
    accept_late(b)
    ended_well(b)
    assert b.host.ledger().balance("merchant") == 10083


def test_a_refund_knows_them_too(b):
    sale = stories.sale(b, 20000)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 10085, wait=False)
    b.clock.advance(70)
    b.to_idle()
    assert states(b)[-1] == ("refund", "unknown")


def test_amounts_are_ordinary_unless_switched_on(bench):
    signed_on(bench)
    assert stories.sale(bench, 10051).state == "approved"


def test_a_shared_acquirer_has_its_own_switch():
    from host_tools.acquirer import Acquirer

    host = Acquirer()
    with pytest.raises(WrongUse, match="amounts"):
        Bench(host=host, amounts=True)
    host.close()
