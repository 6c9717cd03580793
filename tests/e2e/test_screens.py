"""Golden pictures of every screen a merchant meets when something went wrong, in both languages.

Look at a picture before accepting it: no word cut off, nothing that only an engineer understands.
"""

import pytest

from host_tools.bench import stories
from tests.e2e import golden as screens
from tests.e2e.kit import CARD, PIN, SUPERVISOR, enter, pick, signed_on, started, word

CODE = "629990120000000012"
POOR = stories.POOR_CARD


@pytest.fixture(params=["zh", "en"])
def start(make_bench, request):
    """A bench in a start state, or signed on; in each language."""

    def at(state=None, **options):
        b = make_bench(state=state, language=request.param, **options)
        return b if state else signed_on(b)

    return at


@pytest.fixture
def look(golden):
    """``look(b, name)``: a picture of the screen, and of every page behind it."""

    def shot(b, name):
        golden(b, name)
        number = 1
        while b.screen()[0][-1:] in ("↓", "↕"):
            b.press("DOWN")
            number += 1
            golden(b, f"{name}-{number}")

    return shot


def steps_of(b):
    """From the idle screen to the steps of the first case."""
    b.choose(word(b, "unfinished"))
    b.press("ENTER", "ENTER")


def menu_pages(b, golden, name):
    """A picture of each page of a menu: three entries a page."""
    golden(b, name)
    for number in range(2, 6):
        first = b.screen()[1]
        b.press("DOWN", "DOWN", "DOWN")
        if b.screen()[1] == first or "1" in b.screen()[1][:1]:
            return
        golden(b, f"{name}-{number}")


# -- a sale without an answer ----------------------------------------------------------------------


def test_a_sale_whose_answer_got_lost(start, look):
    b = start()
    b.line.drop_next("reply")
    stories.sale(b, 5000, wait=False)
    b.wait_for("L1")
    look(b, "sale-no-answer")
    b.press("ENTER")
    look(b, "case-to-reverse")


def test_the_case_of_a_pending_reversal(start, look, golden):
    b = start("pending-reversal")
    golden(b, "pending-reversal")
    b.choose(word(b, "unfinished"))
    golden(b, "list")
    b.press("ENTER", "ENTER")
    menu_pages(b, golden, "steps-to-reverse")
    b.press("CANCEL")
    for step, name in (("step_wait", "wait"), ("step_call", "call"), ("step_history", "history"),
                       ("step_others", "why-not-to-reverse")):
        b.to_idle()
        steps_of(b)
        pick(b, word(b, step))
        look(b, name)
    b.to_idle()
    steps_of(b)
    pick(b, word(b, "step_call"))
    b.press("ENTER")
    golden(b, "call-number")
    b.to_idle()
    steps_of(b)
    pick(b, word(b, "step_reverse"))
    b.wait_for(word(b, "reversal_done"))
    golden(b, "reversed")
    b.press("ENTER")
    b.wait_for("000002")  # its slip is out
    menu_pages(b, golden, "steps-reversed")


def test_giving_a_reversal_up(start, look, golden):
    b = start("pending-reversal")
    b.host.rule("reversal", drop_request=True, times=3)
    stories.sale(b, 700, wait=False)
    b.wait_for(word(b, "new_not_sent"), timeout=300)
    look(b, "reversal-failed")
    b.to_idle()
    b.swipe(CARD)
    golden(b, "reversal-blocks")
    b.to_idle()
    steps_of(b)
    pick(b, word(b, "step_release"))
    golden(b, "supervisor")
    enter(b, SUPERVISOR)
    menu_pages(b, golden, "release-why")
    pick(b, word(b, "reason_bank_handles"))
    look(b, "release-sure")
    b.press("ENTER")
    b.wait_for(word(b, "released"))
    golden(b, "released")


# -- what the host says ----------------------------------------------------------------------------


def test_an_approval_that_came_late(start, look, golden):
    b = start("late-approval")
    golden(b, "late-approval")
    steps_of(b)
    pick(b, word(b, "step_query"))
    b.wait_for(word(b, "known_there"))
    look(b, "query-approved")
    b.press("ENTER")
    golden(b, "late-choice")
    pick(b, word(b, "accept_sale"))
    b.wait_for(word(b, "approved"))
    golden(b, "late-accepted")


def test_a_refund_without_an_answer(start, look, golden):
    b = start("refund-unknown")
    golden(b, "refund-unknown")
    b.choose(word(b, "unfinished"))
    golden(b, "list-refund")
    b.press("ENTER")
    look(b, "case-unknown")
    b.press("ENTER")
    menu_pages(b, golden, "steps-unknown")
    b.to_idle()
    steps_of(b)
    pick(b, word(b, "step_query"))
    b.wait_for(word(b, "known_there"))
    look(b, "query-refunded")
    b.press("ENTER")
    golden(b, "late-choice-refund")


@pytest.mark.parametrize(("code", "words", "name"), [
    ("25", "host_has_not", "query-not-there"), ("22", "host_undone", "query-undone"),
    ("40", "host_no_query_sale", "query-not-known"),
])
def test_other_answers_to_a_query(start, look, code, words, name):
    b = start("pending-reversal")
    b.host.rule("query", code=code)
    steps_of(b)
    pick(b, word(b, "step_query"))
    b.wait_for(word(b, words).partition("\n")[0])
    look(b, name)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "name"), [
    ("51", "no-funds"), ("04", "keep-card"), ("54", "expired"), ("91", "issuer-down"),
    ("61", "limit"), ("97", "unknown-terminal"), ("98", "issuer-silent"), ("ZZ", "unknown-code"),
])
def test_a_refused_sale(start, look, golden, code, name):
    b = start()
    b.host.rule("sale", code=code)
    stories.sale(b, 5000, wait=False)
    b.wait_for(code)
    look(b, f"declined-{name}")
    if code in ("51", "91"):
        b.press("ENTER")
        menu_pages(b, golden, f"declined-{name}-ways")


def test_a_doubted_reply(start, look):
    b = start()
    b.host.rule("sale", wrong_mac=True)
    stories.sale(b, 5000, wait=False)
    b.wait_for("L3")
    look(b, "reply-bad-mac")


def test_a_part_approval(start, golden):
    b = start()
    b.host.rule("sale", partial=3000)
    stories.sale(b, 5000, wait=False)
    b.wait_for(word(b, "part_approved"))
    golden(b, "part-approved")
    b.press("ENTER")
    b.wait_for(word(b, "approved"))
    golden(b, "part-accepted")


def test_what_happens_at_the_counter(start, look, golden):
    # Line down, card misread, nobody there.
    b = start()
    b.swipe(CARD, damage="half")
    golden(b, "card-misread-idle")
    b.swipe(CARD)
    golden(b, "card-shown")
    b.press("CANCEL")
    b.choose(word(b, "sale"))
    b.swipe(CARD, damage="half")
    golden(b, "card-misread")
    b.clock.advance(61)
    golden(b, "timeout")
    b.to_idle()
    b.line.cut()
    started(b, 700)
    enter(b, PIN)
    b.wait_for("L2")
    look(b, "line-down")


# -- other ways to pay, in time, twice, wrong ------------------------------------------------------


def test_paying_by_code(start, golden):
    b = start()
    b.choose(word(b, "sale_code"))
    golden(b, "code-scan")
    b.scan("12345")
    golden(b, "code-misread")
    b.scan(CODE)
    golden(b, "code-shown")
    b.press("ENTER")
    enter(b, "1500")
    b.wait_for(word(b, "approved"))
    golden(b, "code-approved")


def test_in_time_and_too_late(start, look, golden):
    b = start(settings={"void_minutes": 10})
    started(b, 500)
    enter(b, PIN)
    b.wait_for(word(b, "approved"))
    golden(b, "approved-until")
    b.to_idle()
    started(b, 500)
    golden(b, "same-again")
    b.to_idle()
    b.choose(word(b, "correct_amount"))
    enter(b, SUPERVISOR)
    golden(b, "right-amount")
    enter(b, "5000")
    look(b, "wrong-amount-original")
    b.to_idle()
    b.clock.advance(620)
    b.press("LAST")
    look(b, "void-too-late")


def test_why_it_was_undone(start, look, golden):
    b = start()
    stories.sale(b, 500)
    b.press("LAST")
    enter(b, SUPERVISOR)
    stories.void_goes_on(b)
    b.wait_for(word(b, "approved"))
    golden(b, "void-approved")
    b.wait_for(word(b, "why"))
    menu_pages(b, golden, "void-why")
    b.to_idle()
    b.choose(word(b, "browse"))
    golden(b, "browse")
    b.press("ENTER")
    look(b, "details-void")
    b.press("ENTER")
    look(b, "case-void")


def test_a_sale_that_stands_and_what_may_be_done(start, look, golden):
    b = start()
    sale = stories.sale(b, 5000)
    b.choose(word(b, "by_voucher"))
    enter(b, str(sale.trace))
    look(b, "details-sale")
    b.press("ENTER")
    look(b, "case-sale")
    b.press("ENTER")
    menu_pages(b, golden, "steps-approved")
    pick(b, word(b, "step_refund"))
    look(b, "refund-how")
    b.press("CANCEL")
    pick(b, word(b, "step_others"))
    look(b, "why-not-approved")


def test_a_slip_that_is_checked(start, look):
    b = start()
    sale = stories.sale(b, 5000)
    for amount, name in ((5000, "check-same"), (5001, "check-differs")):
        b.choose(word(b, "check_voucher"))
        for digits in (str(sale.trace), str(amount), "0128"):
            enter(b, digits)
        b.scan(sale.rrn)
        b.wait_for(word(b, "check_right" if amount == 5000 else "check_wrong"))
        look(b, name)
        b.to_idle()


# -- prevention ------------------------------------------------------------------------------------


def test_what_warns_before_it_happens(start, look, golden):
    b = start(settings={"sale_limit": 1000, "batch_limit": 10, "test_mode": 1})
    started(b, 5000)
    look(b, "risk-sale-limit")
    b.press("CANCEL")
    b.to_idle()
    b.choose(word(b, "self_check"))
    b.wait_for("1" + word(b, "unit_keys"))
    menu_pages(b, golden, "self-check")
    b.press("9")
    look(b, "self-check-passwords")
    b.press("CANCEL", "CANCEL")
    b.to_idle()
    b.choose(word(b, "help"))
    menu_pages(b, golden, "help")
    b.press("2")
    look(b, "help-void")
    b.press("CANCEL", "0")
    look(b, "help-service")
    b.to_idle()
    b.host.rule("sale", code="51")
    started(b, 700)
    enter(b, PIN)
    b.wait_until(lambda: b.journal()[-1].state == "declined", what="a refusal")
    b.press("CANCEL", "CANCEL")
    b.to_idle()
    golden(b, "idle-line")
    b.choose(word(b, "statistics"))
    look(b, "causes")


# -- start states ----------------------------------------------------------------------------------


@pytest.mark.pico
@pytest.mark.parametrize("state", ["upload-interrupted", "paper-out", "batch-full", "keys-expired"])
def test_the_first_screen_of_a_start_state(start, look, golden, state):
    b = start(state)
    golden(b, state)
    if state == "paper-out":
        b.press("ENTER")
        b.wait_for(word(b, "printer_paper"))
        look(b, "printer-paper")
    elif state == "batch-full":
        b.swipe(CARD)
        look(b, "batch-full-refused")
    elif state == "keys-expired":
        stories.sale(b, 1000, wait=False)
        b.wait_for(word(b, "keys_renewed_pin")[:12])
        look(b, "keys-renewed")


def test_no_picture_is_kept_that_nobody_looks_at(request):
    # Comes last, and can tell only where every test of this file has run before it.
    mine = {item.originalname for item in request.session.items if item.path == request.path}
    every = {name for name in vars(request.module) if name.startswith("test_")}
    if mine < every or request.config.option.keyword or "::" in "".join(request.config.args):
        pytest.skip("only a part of this file is run")
    kept = {path.relative_to(screens.ACCEPTED).with_suffix("").as_posix()
            for path in screens.ACCEPTED.rglob("*.png")}
    unseen = sorted(kept - screens.looked_at)
    assert not unseen, f"remove them from tests/e2e/golden: {unseen}"
