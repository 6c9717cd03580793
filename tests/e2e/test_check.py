"""凭证核对: a printed slip against the journal and the host's record, field by field."""

import pytest

from host_tools.bench import stories
from tests.e2e.kit import enter, signed_on, snapshot


def check(b, trace, amount, card, rrn):
    """Key a slip's fields in; the whole of what is found."""
    b.choose("凭证核对")
    for digits in (str(trace), str(amount), card, rrn):
        enter(b, digits)
    b.wait_until(lambda: b.shows("符"), what="the verdict")
    return "".join(b.read()).replace(" ", "")


def test_a_true_slip_agrees_with_both_ends_and_nothing_changes(b):
    sale = stories.sale(b, 5000)
    before = snapshot(b)
    said = check(b, sale.trace, 5000, "0128", sale.rrn)
    assert "消费成功全部相符凭证属实" in said
    for wanted in ("本机金额相符", "本机卡号相符", "本机参考号相符", "主机:成功", "主机金额相符",
                   "主机参考号相符"):
        assert wanted in said, wanted
    b.to_idle()
    assert snapshot(b) == before


@pytest.mark.parametrize(("field", "value", "wanted"), [
    ("amount", 5001, ("本机金额不符", "主机金额不符", "单上50.01", "本机50.00", "主机50.00")),
    ("card", "0136", ("本机卡号不符", "单上0136", "本机0128")),
    ("rrn", "000000000000", ("本机参考号不符", "主机参考号不符", "单上000000000000")),
])
def test_what_differs_is_shown_with_all_values(b, field, value, wanted):
    sale = stories.sale(b, 5000)
    slip = {"amount": 5000, "card": "0128", "rrn": sale.rrn, field: value}
    said = check(b, sale.trace, **slip)
    assert "有不符!请联系客服" in said
    for text in wanted:
        assert text in said, text


def test_fields_are_scanned_where_they_can_be(b):
    sale = stories.sale(b, 5000)
    b.choose("凭证核对")
    b.scan(f"{sale.trace:06d}")
    enter(b, "5000")
    b.scan("0128")
    b.scan("not a number")
    assert b.shows("参考号")
    b.scan(sale.rrn)
    b.wait_for("全部相符")


def test_the_host_has_undone_what_the_journal_calls_approved(b):
    sale = stories.sale(b, 5000)
    b.host.rule("query", code="22")
    said = check(b, sale.trace, 5000, "0128", sale.rrn)
    assert "有不符!" in said and "状态不符本机成功主机已撤销此交易" in said


def test_the_host_does_not_have_it_at_all(b):
    sale = stories.sale(b, 5000)
    b.host.rule("query", code="25")
    said = check(b, sale.trace, 5000, "0128", sale.rrn)
    assert "状态不符本机成功主机没有此交易" in said


def test_a_voided_sale_is_voided_at_both_ends(b):
    sale = stories.sale(b, 5000)
    stories.void_last(b)
    said = check(b, sale.trace, 5000, "0128", sale.rrn)
    assert "消费已撤销全部相符" in said and "主机已撤销此交易" in said


def test_a_settled_sale_is_found_as_well(b):
    sale = stories.sale(b, 5000)
    stories.settle(b)
    assert "消费已结算全部相符" in check(b, sale.trace, 5000, "0128", sale.rrn)


def test_an_open_one_leads_to_its_case(b):
    stories.lost_sale(b, 5000)
    said = check(b, b.journal()[0].trace, 5000, "0128", "123456789012")
    assert "见未完成交易" in said
    b.to_idle()
    assert b.journal()[0].state == "reversal_due"


def test_without_the_host_the_journal_is_compared(make_bench):
    b = signed_on(make_bench(settings={"status_query": 0}))
    sale = stories.sale(b, 5000)
    said = check(b, sale.trace, 5000, "0128", sale.rrn)
    assert "全部相符" in said and "未能查询主机主机不支持查询" in said


def test_a_line_that_is_down_is_told(b):
    sale = stories.sale(b, 5000)
    b.line.cut()
    b.choose("凭证核对")
    for digits in (str(sale.trace), "5000", "0128", sale.rrn):
        enter(b, digits)
    b.wait_for("全部相符")
    assert "未能查询主机线路不通" in "".join(b.read()).replace(" ", "")


def test_an_unknown_number_is_told(b):
    b.choose("凭证核对")
    enter(b, "999999")
    assert b.shows("原交易不存在")
