"""Limits warn, ask the supervisor, are kept in the audit trail and told to the acquirer."""

from host_tools.bench import stories
from tests.e2e import desk
from tests.e2e.kit import CARD, PIN, SUPERVISOR, ended_well, enter, signed_on, started, states


def with_limits(make_bench, **settings):
    return signed_on(make_bench(settings=settings))


def warned(b, text):
    """The warning is on the panel, and nothing has been sent about it."""
    assert b.shows("风险提示") and b.shows(text), b.screen()


def reports(b):
    """What the acquirer was told, once the terminal is idle."""
    b.to_idle()
    b.clock.advance(1)
    return [str(entry) for entry in b.trace() if "status" in str(entry) and ">" in str(entry)]


def test_a_sale_above_the_limit_asks_the_supervisor_and_both_ends_know(make_bench):
    b = with_limits(make_bench, sale_limit=100000)
    stories.sale(b, 100000)  # just not above
    started(b, 100001)
    warned(b, "1,000.00")
    assert "请核实持卡人" in "".join(b.read())
    b.press("ENTER")
    enter(b, SUPERVISOR)
    enter(b, PIN)
    b.wait_for("交易成功")
    stories.finish(b)
    assert [txn.supervisor for txn in b.journal()] == [None, 0]
    words = "sale_limit 100001, limit 100000, allowed"
    assert desk.notes(b, "L") == ["01 00 " + words]
    told = reports(b)
    assert len(told) == 1 and f"limit: {words} op 01" in told[0]
    ended_well(b)


def test_stopping_at_the_warning_sends_nothing_and_is_kept(make_bench):
    b = with_limits(make_bench, sale_limit=100000)
    started(b, 200000)
    asked = len(b.trace())
    b.press("CANCEL")
    b.to_idle()
    started(b, 200000)  # nobody there
    b.clock.advance(61)
    b.to_idle()
    started(b, 200000)  # nobody knows the password
    b.press("ENTER")
    enter(b, "999999")
    b.wait_for("密码错")
    b.press("CANCEL", "CANCEL")
    b.to_idle()
    assert b.journal() == [] and not any(" 0200 " in str(e) for e in b.trace()[asked:])
    assert [note.endswith("stopped") for note in desk.notes(b, "L")] == [True] * 3


def test_the_sales_of_a_day_are_summed_over_batches_and_end_at_midnight(make_bench):
    b = with_limits(make_bench, day_limit=100000)
    stories.sale(b, 60000)
    void_me = stories.sale(b, 30000)
    stories.void(b, void_me.trace)  # does not count
    stories.settle(b)
    stories.sale(b, 20000)
    stories.settle(b)
    started(b, 20001)
    warned(b, "1,000.00")
    b.press("CANCEL")
    b.to_idle()
    desk.restart(b)
    desk.log_in(b)
    b.to_idle()
    stories.sale(b, 20000)  # exactly the limit, and no power cut forgets what was sold
    started(b, 100)
    warned(b, "1,000.00")
    b.power_cut()
    b.clock.advance(24 * 3600)
    b.power_on()
    b.sign_on()
    started(b, 70000)  # in the batch of yesterday, on another day
    assert b.shows("请输入密码")
    enter(b, PIN)
    b.wait_for("交易成功")
    stories.finish(b)
    started(b, 30001)
    warned(b, "1,000.00")
    b.press("CANCEL")
    b.to_idle()
    ended_well(b)


def test_a_power_cut_in_the_close_counts_its_batch_once(make_bench):
    for cut in range(1, 30, 4):
        b = with_limits(make_bench, day_limit=10000)
        stories.sale(b, 6000)
        b.choose("结算")
        b.press("ENTER")
        b.power_cut(at_flash_op=cut, torn=False)
        b.press("ENTER")
        b.wait_until(lambda b=b: not b.powered or b.shows("打印交易明细"), 300)
        if b.powered:
            assert cut > 4
            return
        b.disarm()
        stories.recover(b)
        started(b, 4001)
        warned(b, "100.00")
        b.press("CANCEL")
        b.to_idle()
        started(b, 4000)
        assert b.shows("请输入密码"), (cut, b.screen())
        b.close()


def test_refunds_of_a_day(make_bench):
    b = with_limits(make_bench, refunds_a_day=2)
    sale = stories.sale(b, 5000)
    date = f"{b.clock.now:%m%d}"
    for amount in (100, 200):
        stories.refund(b, sale.rrn, date, amount)
    b.press("REFUND")
    enter(b, SUPERVISOR)
    warned(b, "今日已退货2笔")
    # The password was given already; it takes no second one, but a decision.
    b.press("CANCEL")
    b.to_idle()
    b.press("REFUND")
    enter(b, SUPERVISOR)
    b.press("ENTER")
    assert b.shows("请刷卡")
    b.press("CANCEL")
    b.to_idle()
    notes = desk.notes(b, "L")
    assert [note.split(", ")[-1] for note in notes] == ["stopped", "allowed"]
    assert len(reports(b)) == 2
    ended_well(b)


def test_voids_in_a_row(make_bench):
    b = with_limits(make_bench, voids_in_row=2)
    sales = [stories.sale(b, amount) for amount in (100, 200, 300)]
    stories.void(b, sales[0].trace)
    stories.void(b, sales[1].trace)
    b.press("LAST")
    enter(b, SUPERVISOR)
    b.to_idle()  # the newest is a void: refused before any limit
    b.press("VOID")
    enter(b, SUPERVISOR)
    enter(b, str(sales[2].trace))
    b.press("ENTER")
    warned(b, "已连续撤销2笔")
    b.press("CANCEL")
    b.to_idle()
    between = stories.sale(b, 400)  # ends the row
    stories.void(b, between.trace)
    assert states(b)[-2:] == [("sale", "voided"), ("void", "approved")]
    ended_well(b)


def test_a_card_that_is_refused_again_and_again_is_stopped(make_bench):
    b = with_limits(make_bench, declines_in_row=3)
    for _ in range(3):
        b.host.rule("sale", code="51")
        started(b, 1000)
        enter(b, PIN)
        b.wait_for("余额不足")
        b.press("CANCEL", "CANCEL")
        b.to_idle()
    started(b, 1000)
    warned(b, "此卡已连续被拒3次")
    b.press("CANCEL")
    b.to_idle()
    stories.sale(b, 1000, pan=stories.SECOND_CARD)
    b.clock.advance(1801)
    b.to_idle()
    stories.sale(b, 1000, pan=CARD)  # half an hour later it may try again
    ended_well(b)


def test_without_limits_nobody_is_asked(make_bench):
    names = ("sale_limit", "day_limit", "refunds_a_day", "voids_in_row", "declines_in_row")
    b = with_limits(make_bench, **dict.fromkeys(names, 0))
    sale = stories.sale(b, 100_000)
    stories.void(b, sale.trace)
    assert desk.notes(b, "L") == []
