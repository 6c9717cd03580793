"""Start states: what a tester finds there, and that the right end can be reached from each."""

from pathlib import Path

import pytest

from host_tools.bench import Bench, states, stories
from host_tools.bench.bench import WrongUse
from tests.e2e.kit import accept_late


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("state", states.names())
def test_every_state_is_there_in_both_languages(make_bench, state, language):
    b = make_bench(state=state, language=language)
    assert b.powered and b.journal()
    assert "".join(b.screen()).strip()
    b.host.ledger().check()


def test_a_state_is_the_same_again_and_leaves_the_kept_one_alone(make_bench):
    first = make_bench(state="pending-reversal")
    screen, journal = first.screen(), [str(txn) for txn in first.journal()]
    stories.sale(first, 1000)
    assert first.journal()[0].state == "reversed"
    again = make_bench(state="pending-reversal")
    assert (again.screen(), [str(txn) for txn in again.journal()]) == (screen, journal)
    assert again.host.ledger().find(2).state == "approved"


def test_other_settings_are_another_state(make_bench):
    assert make_bench(state="paper-out").shows("上笔签购单未印完")
    other = make_bench(state="paper-out", settings={"terminal": "00000001", "copies": 3})
    assert other.journal()[-1].state == "approved"


def test_the_document_lists_them():
    page = (Path(__file__).parents[2] / "docs" / "start-states.md").read_text(encoding="utf-8")
    assert f"<!-- states -->\n{states.table()}\n<!-- /states -->" in page


def test_wrong_use_is_explained():
    with pytest.raises(WrongUse, match="pending-reversal"):
        Bench(state="no-such")
    with pytest.raises(WrongUse, match="own acquirer"):
        Bench(state="paper-out", line="pty")


def test_pending_reversal_is_cleared_by_the_next_sale(make_bench):
    b = make_bench(state="pending-reversal")
    assert b.shows("未完成交易: 1")
    stories.sale(b, 5000)
    assert [t.state for t in b.journal()] == ["reversed", "approved"]
    ledger = b.host.ledger()
    ledger.check()
    assert ledger.balance("merchant") == 5000


def test_refund_unknown_is_resolved_by_the_settlements_totals(make_bench):
    b = make_bench(state="refund-unknown")
    assert [t.state for t in b.journal()] == ["approved", "unknown"]
    stories.settle(b)
    assert [t.state for t in b.journal()] == ["refunded", "settled"]
    assert "对账平" in b.rig.paper.receipts[-1]
    assert not b.shows("未完成交易")
    b.host.ledger().check()


def test_batch_full_takes_no_sale_until_it_is_settled(make_bench):
    b = make_bench(state="batch-full")
    b.swipe(stories.CARD)
    assert b.shows("存储满")
    b.to_idle()
    stories.settle(b)
    stories.sale(b, 1000)


def test_upload_interrupted_goes_on_with_any_key(make_bench):
    b = make_bench(state="upload-interrupted")
    assert b.shows("结算未完成")
    b.press("ENTER")
    b.wait_for("打印交易明细?", timeout=120)
    b.press("CANCEL")
    b.to_idle()
    assert {t.state for t in b.journal()} == {"settled", "voided"}
    ledger = b.host.ledger()
    ledger.check()
    assert ledger.discrepancies == []


def test_keys_expired_leads_to_a_sign_on(make_bench):
    b = make_bench(state="keys-expired")
    stories.sale(b, 1000, wait=False)
    b.wait_for("请顾客再输密码")
    b.clock.advance(4)
    b.type(stories.PIN)
    b.press("ENTER")
    b.wait_for("交易成功")
    stories.finish(b)
    assert [t.state for t in b.journal()] == ["approved", "declined", "approved"]
    b.host.ledger().check()


def test_paper_out_prints_once_there_is_paper(make_bench):
    b = make_bench(state="paper-out")
    assert b.shows("上笔签购单未印完")
    b.press("ENTER")
    b.wait_for("打印机缺纸")
    b.rig.load_paper()
    b.press("ENTER")
    b.wait_for("请撕纸")
    b.press("ENTER")
    b.to_idle()
    assert len(b.rig.paper.receipts) >= 2 and b.journal()[-1].printed == 3


def test_late_approval_can_be_accepted(make_bench):
    b = make_bench(state="late-approval")
    accept_late(b)
    assert b.journal()[-1].state == "approved"
    assert b.host.ledger().balance("merchant") == 7700
