"""Every kind of slip, whole and in both languages, against texts a person has read.

The accepted slips are tests/e2e/slips/<language>/*.txt; clock times are blanked.
`pytest --golden-update tests/e2e/test_slips.py` accepts what comes out now: read `git diff` then.
"""

import difflib
import re
from pathlib import Path

import pytest

from host_tools.bench import stories
from tests.e2e.kit import CARD, enter, pick, signed_on, word

ACCEPTED = Path(__file__).parent / "slips"


@pytest.fixture(params=["zh", "en"])
def slips(make_bench, request):
    """(bench, check): ``check(name)`` compares what came out since the last time it was called."""
    b = signed_on(make_bench(language=request.param,
                             settings={"void_minutes": 30, "fee_bp": 60}))
    seen = 0

    def check(name, copies=2):
        nonlocal seen
        out = b.receipts()[seen:]
        seen = len(b.receipts())
        assert len(out) == copies
        text = re.sub(r"\b\d\d:\d\d\b", "--:--", "\n\n".join(out)) + "\n"
        path = ACCEPTED / request.param / f"{name}.txt"
        if request.config.getoption("--golden-update"):
            path.write_text(text, encoding="utf-8")
        wanted = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        diff = "\n".join(difflib.unified_diff(wanted, text.splitlines(), lineterm=""))
        assert not diff, f"{name} came out differently; --golden-update accepts it\n{diff}"
        for line in text.splitlines():
            assert sum(1 if c < "\x80" else 2 for c in line) <= 32, line

    return b, check


def test_sale_void_and_reprint(slips):
    b, check = slips
    sale = stories.sale(b, 12345)
    check("sale")
    stories.void(b, sale.trace)
    check("void")
    b.choose(word(b, "reprint_any"))
    enter(b, str(sale.trace))
    b.wait_for(stories.text(b, "tear_off"))
    stories.finish(b)
    check("sale-voided-duplicate")


def test_refund_and_a_part_approval(slips):
    b, check = slips
    sale = stories.sale(b, 8000)
    check("sale-to-refund")
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 3000)
    check("refund")
    b.host.rule("sale", partial=2500)
    stories.sale(b, 4000, wait=False)
    b.press("ENTER")
    stories.finish(b)
    check("sale-in-part")


def test_a_payment_by_code(slips):
    b, check = slips
    stories.sale_by_code(b, 990, "629990120000000012")
    check("sale-by-code")


def test_fault_report_and_case(slips):
    b, check = slips
    b.host.rule("sale-reversal", drop=True, times=None)
    b.line.drop_next("reply")
    stories.sale(b, 500, wait=False)
    b.clock.advance(70)
    b.to_idle()
    b.choose(word(b, "unfinished"))
    b.press("ENTER", "ENTER")
    pick(b, word(b, "step_slip"))
    b.clock.advance(5)
    check("case", copies=1)


def test_settlement_equal_and_not(slips):
    b, check = slips
    sale = stories.sale(b, 8000)
    stories.sale(b, 1500)
    stories.void_last(b)
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 1000)
    check("day", copies=8)
    b.choose(stories.text(b, "settle"))
    b.press("ENTER", "ENTER")
    b.wait_for(stories.text(b, "print_details"))
    b.press("ENTER")
    b.to_idle()
    check("settlement-and-details")
    stories.sale(b, 700)
    b.host.rule("settlement", verdict="2")
    stories.settle(b)
    check("settlement-unequal", copies=3)


def test_the_customers_copy_has_what_the_customer_needs(slips):
    """State, original voucher, when the money returns, until when it can be voided, whom to call;
    no signature, no fee, no expiry."""
    b, _ = slips
    zh = b.language == "zh"
    sale = stories.sale(b, 8000)
    stories.void(b, sale.trace)
    other = stories.sale(b, 6000)
    stories.refund(b, other.rrn, f"{b.clock.now:%m%d}", 1000)
    customer = [slip for slip in b.receipts() if "CARDHOLDER COPY" in slip]
    assert len(customer) == 4
    gap = "" if zh else " "
    sold, voided, _, refunded = (re.sub(r"\s+", gap, slip) for slip in customer)
    assert re.search(r"可撤销至\d\d:\d\d" if zh else r"Void until \d\d:\d\d", sold)
    assert f"{sale.trace:06d}" in voided and other.rrn in refunded
    assert ("一般当日到账" if zh else "usually today") in voided
    assert ("3-5个工作日" if zh else "3-5 working days") in refunded
    for slip in (sold, voided, refunded):
        assert ("状态" if zh else "State") in slip and "95516" in slip
        for never in ("签名", "SIGNATURE", "手续费", "Fee", "3012", CARD):
            assert never not in slip
