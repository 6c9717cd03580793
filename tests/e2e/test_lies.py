"""Thirty and more sentences swapped for wrong ones, each noticed where a clerk would read it.

The terminal runs in this process with its table of texts changed: an id shows the words of another.
The oracle reads the true table. A scenario is told without waiting for any words, so that it goes
the same way whatever is shown.
"""

import pytest

from host_tools.bench import Bench, inprocess, stories

SUPERVISOR = stories.SUPERVISOR


def read(b):
    """Every page that is there, and back to where it can be left."""
    b.read()


def enter(b, digits):
    b.type(digits)
    b.press("ENTER")


def case(b):
    """The newest open case: its entry in the list, all its pages, why not others."""
    b.press("5")
    b.press("ENTER")
    read(b)
    b.press("ENTER")


def open_case(b):
    case(b)


def reversed_by_hand(b):
    case(b)
    b.press("2")
    b.clock.advance(4)
    b.press("CANCEL", "CANCEL", "CANCEL")
    browse(b)


def browse(b, older=0):
    """A transaction of the batch, the newest first: its details, then all pages of its case."""
    b.clock.advance(12)
    b.press("CANCEL")
    b.choose(stories.text(b, "browse"))
    b.press(*older * ["DOWN"])
    b.press("ENTER")
    read(b)
    b.press("ENTER")
    read(b)


def asked(b):
    """Query the host about the case, and read what it says."""
    case(b)
    b.press("1")
    b.clock.advance(1)
    read(b)
    b.clock.advance(4)
    b.press("CANCEL", "CANCEL", "CANCEL")
    browse(b)


def sold(b):
    stories.sale(b, 5000, wait=False)
    b.clock.advance(20)
    b.press("CANCEL")
    browse(b)


def refused(b):
    stories.sale(b, 5000, pan=stories.POOR_CARD, wait=False)
    b.clock.advance(2)
    read(b)
    b.press("CANCEL", "CANCEL")
    browse(b)


def lost(b):
    """The request never arrives; then the host is asked."""
    b.line.drop_next("request")
    stories.sale(b, 5000, wait=False)
    b.clock.advance(65)
    b.to_idle()
    asked(b)


def voided(b):
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.clock.advance(20)
    b.press("CANCEL", "CANCEL")
    browse(b)
    browse(b, older=1)
    again(b)


def again(b):
    """Void the first sale once more."""
    b.clock.advance(12)
    b.press("CANCEL", "CANCEL", "CANCEL", "VOID")
    enter(b, SUPERVISOR)
    enter(b, "2")


def void_refused(b):
    b.host.rule("void", code="57")
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.clock.advance(2)
    read(b)
    b.press("CANCEL", "CANCEL")
    browse(b)


def refunded(b):
    sale = b.journal()[-1]
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 2000, wait=False)
    b.clock.advance(20)
    b.press("CANCEL", "CANCEL")
    browse(b)


def no_line(b):
    b.line.cut()
    stories.sale(b, 5000, wait=False)
    b.clock.advance(8)
    read(b)


SOLD = "sold"  # begin behind a sale of 50.00

# Scenario, where it begins, the text, whose words it shows instead.
SWAPS = [
    (sold, None, "approved", "there_nothing"),
    (sold, None, "state_approved", "state_declined"),
    (sold, None, "state_approved", "state_voided"),
    (sold, None, "there_booked", "there_nothing"),
    (sold, None, "here_approved", "here_declined"),
    (sold, None, "tell_paid", "tell_nothing"),
    (sold, None, "safe_done", "safe_again"),
    (refused, None, "state_declined", "state_approved"),
    (refused, None, "there_nothing", "there_booked"),
    (refused, None, "here_declined", "here_approved"),
    (lost, None, "host_has_not", "host_stands"),
    (lost, None, "there_nothing", "there_taken_back"),
    (lost, None, "state_reversed", "state_approved"),
    (lost, None, "tell_nothing", "tell_paid"),
    (open_case, "pending-reversal", "here_no_answer", "here_declined"),
    (open_case, "pending-reversal", "there_sale_unsure", "there_nothing"),
    (open_case, "pending-reversal", "there_sale_unsure", "there_taken_back"),
    (open_case, "pending-reversal", "safe_no_sale", "safe_again"),
    (open_case, "pending-reversal", "tell_sale_open", "tell_nothing"),
    (open_case, "pending-reversal", "state_reversal_due", "state_declined"),
    (open_case, "pending-reversal", "state_reversal_due", "state_reversed"),
    (reversed_by_hand, "pending-reversal", "there_taken_back", "there_nothing"),
    (reversed_by_hand, "pending-reversal", "reversal_done", "there_booked"),
    (reversed_by_hand, "pending-reversal", "safe_repeat", "safe_again"),
    (reversed_by_hand, "pending-reversal", "state_reversed", "state_approved"),
    (asked, "late-approval", "there_booked", "there_nothing"),
    (open_case, "refund-unknown", "there_refund_unsure", "there_no_refund"),
    (open_case, "refund-unknown", "safe_no_refund", "safe_refund_again"),
    (open_case, "refund-unknown", "state_unknown", "state_absent"),
    (open_case, "refund-unknown", "tell_wait", "tell_not_refunded"),
    (voided, SOLD, "already_voided", "original_declined"),
    (voided, SOLD, "there_voided", "there_sale_stands"),
    (voided, SOLD, "state_voided", "state_approved"),
    (voided, SOLD, "money_back_void", "tell_not_voided"),
    (void_refused, SOLD, "there_sale_stands", "there_voided"),
    (void_refused, SOLD, "tell_not_voided", "tell_voided"),
    (refunded, SOLD, "there_refunded", "there_no_refund"),
    (refunded, SOLD, "money_back_refund", "tell_not_refunded"),
    (no_line, None, "there_nothing", "there_booked"),
]


@pytest.fixture(scope="module")
def strings():
    """The terminal's table of texts, as this process has it."""
    return inprocess.firmware("mobi.ui.strings")


def told(scenario, begin, language):
    """The oracle's findings of a scenario."""
    state = None if begin == SOLD else begin
    b = Bench("inprocess", state=state, language=language)
    try:
        if state is None:
            b.power_on()
            b.sign_on()
        if begin == SOLD:
            stories.sale(b, 5000)
        assert not b.lies
        yield b
        scenario(b)
        b.oracle.look_up()
        yield b.lies
    finally:
        b.close()


@pytest.mark.parametrize(("scenario", "begin", "name", "other"), SWAPS, ids=[
    f"{scenario.__name__}-{name}-says-{other}" for scenario, _, name, other in SWAPS])
def test_a_sentence_that_is_swapped_is_noticed(
    scenario, begin, name, other, strings, monkeypatch
):
    number = SWAPS.index((scenario, begin, name, other))
    story = told(scenario, begin, ("zh", "en")[number % 2])
    next(story)
    words = next(row[1:] for row in strings.TABLE if row[0] == other)
    monkeypatch.setattr(strings, "TABLE", tuple(
        (name, *words) if row[0] == name else row for row in strings.TABLE))
    assert next(story), f"{name} said {words}, and nobody noticed"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("scenario", "begin"), sorted(
    {(scenario, begin) for scenario, begin, _, _ in SWAPS},
    key=lambda item: f"{item[0].__name__} {item[1]}"),
    ids=lambda value: getattr(value, "__name__", None))
def test_true_sentences_are_left_alone(scenario, begin, language):
    story = told(scenario, begin, language)
    next(story)
    assert next(story) == []
