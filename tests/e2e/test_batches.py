"""Batches: which one counts, how one that holds nothing is left, and terminals that count anew."""

import pytest
from sqlalchemy import insert

from host_tools.acquirer.books import batches
from host_tools.bench import stories
from tests.e2e import desk
from tests.e2e.desk import log_in
from tests.e2e.kit import ended_well, enter, pick, press_until, signed_on, spent, states, word
from tests.e2e.test_settle import operations

DAY = 86400
REFUSED = "6222021234567891415"  # a lost card


def refused_sale(b):
    stories.sale(b, 900, pan=REFUSED, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "declined", 30, "a refusal")
    b.to_idle()


def reversed_sale(b):
    stories.lost_sale(b, 2000)
    b.clock.advance(400)  # by itself
    assert b.journal()[-1].state == "reversed"
    b.to_idle()


def balance(b):
    b.choose("余额查询")
    b.swipe(stories.CARD)
    b.press("ENTER")
    enter(b, stories.PIN)
    b.wait_for("可用余额", timeout=30)
    b.to_idle()


def other_batch(b, number=41):
    """The host has closed the terminal's batch and goes on with another one."""
    with b.host._books.change() as db:
        here = b.host._books.terminal(db, b.terminal).batch
        db.execute(insert(batches).values(
            terminal=b.terminal, batch=here, verdict="11", ended=True, time=""))
        b.host._books.set_terminal(db, b.terminal, batch=number)


@pytest.mark.parametrize("what", [refused_sale, reversed_sale, balance])
def test_the_hosts_batch_is_taken_where_nothing_is_to_be_settled(make_bench, what):
    b = signed_on(make_bench())
    what(b)
    other_batch(b)
    b.choose("签到")
    b.wait_for("批次号 000041")
    b.to_idle()
    sale = stories.sale(b, 1000)
    assert sale.batch == 41
    stories.settle(b)
    assert stories.sale(b, 1000).batch == 42
    b.host.ledger().check()


def test_a_refusal_with_77_does_not_come_for_ever(make_bench):
    b = signed_on(make_bench())
    refused_sale(b)
    other_batch(b)
    stories.sale(b, 1000, wait=False)
    b.wait_for("77", timeout=30)
    press_until(b, "CANCEL", "按任意键签到", most=12)
    b.press("ENTER")
    b.wait_for("批次号 000041")
    b.to_idle()
    assert stories.sale(b, 1000).batch == 41


def test_a_batch_with_money_in_it_keeps_its_number(make_bench):
    b = signed_on(make_bench())
    stories.sale(b, 1000)
    refused_sale(b)
    other_batch(b)
    b.choose("签到")
    b.wait_for("批次号不一致")
    b.to_idle()
    assert b.journal()[0].batch == 1


def test_a_batch_full_of_refusals_can_be_left(make_bench):
    b = signed_on(make_bench(settings={"batch_limit": 10, "declines_in_row": 0}))
    for _ in range(10):
        refused_sale(b)
    b.swipe(stories.CARD)
    assert b.shows("存储满")
    b.to_idle()
    b.choose("结算")
    b.wait_for("无交易")
    b.to_idle()
    sale = stories.sale(b, 1000)
    assert sale.batch == 1
    assert len(b.journal()) == 11  # nothing is forgotten


def test_a_journal_with_refusals_only_can_be_cleared(make_bench):
    b = signed_on(make_bench())
    refused_sale(b)
    b.choose("换操作员")
    log_in(b, *desk.ADMINISTRATOR)
    b.wait_for(word(b, "system"))
    pick(b, word(b, "clear_journal"))
    b.wait_for(word(b, "administrator_password"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nobody_is_asked_to_settle_what_cannot_be_settled(make_bench, language):
    b = make_bench(language=language)
    signed_on(b)
    stories.sale(b, 900, pan=REFUSED, wait=False)
    b.wait_until(lambda: b.journal()[-1].state == "declined", 30, "a refusal")
    b.to_idle()
    b.clock.advance(DAY)
    b.to_idle()
    asked = word(b, "settle_day_ask").split("\n")[0][:8]
    badge = word(b, "badge_day")
    assert not b.shows(asked) and not b.shows(badge), b.screen()
    stories.sale(b, 1000)
    b.clock.advance(70)
    assert not b.shows(asked) and not b.shows(badge), "the sale is of today"
    b.clock.advance(DAY)
    press_until(b, "CANCEL", badge)
    assert b.shows(badge), b.screen()


# -- a terminal that was replaced ------------------------------------------------------------------


def replaced(make_bench, b, **settings):
    """Another terminal with the same number at the same host, new out of its box."""
    again = make_bench(host=b.host, settings=settings)
    again.clock.advance((b.clock.now - again.clock.now).total_seconds() + 60)
    again.power_on()
    again.sign_on()
    return again


def test_a_replaced_terminal_gets_a_batch_of_its_own(make_bench):
    b = signed_on(make_bench())
    for _ in range(3):
        stories.sale(b, 5000)
    c = replaced(make_bench, b)
    sale = stories.sale(c, 5000)
    assert (sale.batch, sale.trace) == (2, 2), "the same trace as the old one's first sale"
    assert b.host.ledger().batches["00000001", 1][1], "the old batch is ended"
    # Its next reply is lost: what is reversed is that sale, none of the old ones.
    stories.lost_sale(c, 5000)
    c.clock.advance(400)
    assert states(c) == [("sale", "approved"), ("sale", "reversed")]
    ledger = b.host.ledger()
    ledger.check()
    assert ledger.balance("merchant") == 20000 and spent(b) == 20000
    assert "94" not in [e.fields.get("39") for e in c.trace()]
    stories.settle(c)
    assert c.host.ledger().discrepancies == []


def test_a_reversal_and_a_query_cannot_hit_an_older_sale_of_the_same_numbers(make_bench):
    # A host that keeps the batch open all the same: the request is lost, its trace was used before.
    b = signed_on(make_bench())
    stories.sale(b, 5000)
    c = make_bench(host=b.host, settings={"reply_seconds": 10})
    c.clock.advance((b.clock.now - c.clock.now).total_seconds() + 60)
    c.power_on()
    c.host.rule("sign-on", wrong_field=(60, "00000001003"))
    c.sign_on()
    c.expect_lies("the older sale has the batch and trace of the new one, which never arrived")
    c.line.drop_next("request")
    stories.sale(c, 5000, wait=False)
    c.wait_until(lambda: c.journal()[-1].state == "reversal_due", 60, "no answer")
    assert c.journal()[-1].trace == b.journal()[-1].trace
    c.to_idle()
    c.clock.advance(400)
    assert c.journal()[-1].state == "reversed" and c.shows("没有扣款")  # of the new one it is true
    ledger = b.host.ledger()
    ledger.check()
    assert [t.state for t in ledger.transactions] == ["approved"]
    assert ledger.balance("merchant") == 5000 and spent(b) == 5000


def test_a_sign_on_that_was_held_up_ends_no_batch(bench):
    # It comes behind younger messages, with a trace that is older than theirs.
    bench.power_on()
    bench.line.delay_next("request", 90)
    for digits in ("01", "0000"):
        enter(bench, digits)
    bench.wait_for("按任意键签到", timeout=70)
    bench.sign_on()
    sale = stories.sale(bench, 5000)
    late = "000001"
    bench.wait_until(lambda: bench.trace()[-2].fields["11"] == late, 120, "the late one")
    assert sale.trace > int(late)
    assert bench.trace()[-1].fields["60"][2:8] == "000002"
    stories.sale(bench, 6000)  # its keys were renewed, too: it signs on by itself, and goes on
    stories.settle(bench)
    assert bench.host.ledger().discrepancies == []
    ended_well(bench)


# -- keys that the host has given up ---------------------------------------------------------------


@pytest.mark.parametrize("code", ["99", "A0"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_keys_that_are_gone_are_renewed_and_the_sale_is_done_again(make_bench, code, language):
    b = make_bench(language=language)
    signed_on(b)
    if code == "99":
        b.host.end_session(b.terminal)
    else:
        b.host.rule("sale", code="A0")
    stories.sale(b, 8800, wait=False)
    b.wait_for(word(b, "keys_renewed_pin")[:12], timeout=60)
    b.wait_for("88.00", timeout=20)
    assert [t.state for t in b.journal()] == ["declined"]
    enter(b, stories.PIN)  # the customer's, anew
    b.wait_for(stories.text(b, "approved"), timeout=30)
    stories.finish(b)
    assert [t.state for t in b.journal()] == ["declined", "approved"]
    assert operations(b)[-3:] == ["sale", "sign-on", "sale"]
    assert b.host.ledger().balance("merchant") == 8800 == spent(b)


def test_a_refund_and_a_void_are_done_again_after_a_sign_on_too(make_bench):
    b = signed_on(make_bench())
    first, second = stories.sale(b, 8800), stories.sale(b, 4400)
    b.host.end_session(b.terminal)
    refund = stories.refund(b, first.rrn, f"{b.clock.now:%m%d}", 1000)
    assert refund.state == "approved"
    b.host.end_session(b.terminal)
    b.press("VOID")
    enter(b, stories.SUPERVISOR)
    enter(b, str(second.trace))
    stories.void_goes_on(b)
    b.wait_for("请顾客再输密码", timeout=60)
    b.clock.advance(4)
    enter(b, stories.PIN)
    b.wait_for("交易成功", timeout=30)
    stories.finish(b)
    assert b.journal()[-1].state == "approved"
    assert b.host.ledger().balance("merchant") == 7800 == spent(b)


def test_it_is_done_again_once_only(make_bench):
    b = signed_on(make_bench())
    b.host.rule("sale", code="99", times=None)
    stories.sale(b, 8800, wait=False)
    b.wait_for("请顾客再输密码", timeout=60)
    b.clock.advance(4)
    enter(b, stories.PIN)
    b.wait_for("99", timeout=30)
    assert [t.state for t in b.journal()] == ["declined", "declined"]
    assert b.host.ledger().balance("merchant") == 0
