"""Statistics by cause: refusals and missing answers counted by group and code, with advice."""

from host_tools.bench import stories
from tests.e2e.kit import PIN, enter, signed_on, started


def refused(b, code):
    b.host.rule("sale", code=code)
    started(b, 1000)
    enter(b, PIN)
    b.wait_until(lambda: b.journal()[-1].state == "declined", what=code)
    b.press("CANCEL", "CANCEL")
    b.to_idle()


def test_causes_of_this_batch_and_the_last(make_bench):
    b = signed_on(make_bench(settings={"declines_in_row": 0}))
    stories.sale(b, 500)
    refused(b, "51")
    refused(b, "61")
    stories.settle(b)
    refused(b, "51")
    stories.lost_sale(b, 700)
    b.choose("原因统计")
    text = "\n".join(b.read())
    assert "交易笔数       5" in text and "未成功         4" in text
    assert "顾客输入或余额 2\n51 余额不足    2" in text
    assert "规则限制       1\n61 金额超限    1" in text
    assert "网络或系统     1" in text
    assert "提前告知顾客" in text.replace("\n", "")  # what to do about the most frequent one
    b.press("ENTER")
    b.wait_until(lambda: "原因统计" in b.paper(), what="the slip")
    b.to_idle()
    slip = b.receipts()[-1]
    assert "51 余额不足" in slip and "请检查网线" in slip


def test_nothing_to_count(make_bench):
    b = signed_on(make_bench())
    b.choose("原因统计")
    b.wait_for("无交易")
