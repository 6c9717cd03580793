"""The oracle: what it calls a lie, whom it does not blame, and that it changes nothing."""

import pytest

from host_tools.bench import Bench, inprocess, invariants, stories, storm
from host_tools.bench.bench import WrongUse
from host_tools.bench.invariants import Broken

pytest_plugins = ["pytester"]


@pytest.fixture
def money(monkeypatch):
    """Amounts whose last digit is lost on their way to panel and paper."""
    for name in ("mobi.flows.sale", "mobi.flows.slips", "mobi.flows.void", "mobi.flows.query"):
        module = inprocess.firmware(name)
        true = module.money
        monkeypatch.setattr(module, "money", lambda fen, true=true: true(fen)[:-1] + "0")


def on(board="inprocess", **options):
    b = Bench(board, **options)
    b.power_on()
    b.sign_on()
    return b


def test_a_digit_that_is_lost_is_noticed_on_panel_and_paper(money):
    b = on()
    stories.sale(b, 1234)
    b.close()
    assert any("RMB 12.30" in lie and "12.34" in lie for lie in b.lies)
    assert any("on a slip" in lie and "12.30" in lie for lie in b.lies)


def test_what_the_host_forgets_is_noticed_at_the_slip_and_can_be_expected(make_bench):
    b = make_bench()
    b.power_on()
    b.sign_on()
    sale = stories.sale(b, 1234)
    assert b.lies == []
    with b.host._books.change() as db:
        db.exec_driver_sql("update transactions set state = 'declined'")
    b.choose("打印/重打最后一笔")
    b.wait_for("请撕纸")
    b.to_idle()
    with pytest.raises(Broken, match=f"claim: .*{sale.trace:06d} proves .*declined"):
        invariants.check(b)
    b.expect_lies("the host forgets a booking")
    assert b.lies == []


def test_an_expected_lie_names_who_lies():
    with Bench("inprocess") as b, pytest.raises(WrongUse, match="who lies"):
        b.expect_lies("")


@pytest.mark.parametrize("code", ["22", "25"])
def test_nobody_is_blamed_for_a_host_that_lies_under_its_mac(code):
    b = Bench("inprocess", state="pending-reversal")
    b.host.rule("query", code=code)
    b.press("5", "ENTER", "ENTER", "1")
    b.clock.advance(3)
    b.close()
    assert b.lies == []


def test_a_totals_slip_that_agrees_with_other_books_is_noticed():
    b = on()
    stories.sale(b, 1234)
    b.choose("结算")
    b.press("ENTER", "ENTER")
    b.wait_for("打印交易明细?", timeout=300)
    assert b.lies == []
    with b.host._books.change() as db:
        db.exec_driver_sql("update transactions set amount = 1230")
    b.press("CANCEL")
    b.to_idle()
    b.choose("打印/重打结算单")
    b.clock.advance(10)
    b.close()
    assert any("say totals agree" in lie and "1234" in lie and "1230" in lie for lie in b.lies)


def test_a_lie_fails_the_test_that_saw_it(pytester):
    pytester.makepyfile("""
        def test_it(bench):
            bench.oracle.violations.append("claim: the moon is made of cheese")
        """)
    result = pytester.runpytest_inprocess("--mobi-board", "inprocess")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*not what the books say*", "*made of cheese*"])


def test_looking_changes_neither_time_nor_bytes(monkeypatch):
    def day():
        seen = []
        for seed in (3, 4):
            steps = storm.plan(seed, 6)
            with Bench("inprocess", seed) as b:
                b.power_on()
                b.sign_on()
                for step in steps:
                    storm._step(b, step, storm.Day(steps, 0, 0, 0, 0.0, ""))
                seen.append((b.kernel.now_us, b.paper(), [bytes(nor.mem) for nor in b.rig.flash],
                             [str(entry) for entry in b.trace()]))
        return seen

    looking = day()
    monkeypatch.setattr("host_tools.bench.oracle.Oracle.look", lambda self: None)
    monkeypatch.setattr("host_tools.bench.oracle.Oracle.look_up", lambda self: None)
    assert day() == looking
