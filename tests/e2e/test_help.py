"""Help screens fit their pages, and in test mode list the acquirer's magic amounts."""

from host_tools.acquirer import rules
from mobi.flows import help as topics
from mobi.ui import strings
from mobi.ui.text import width, wrap
from tests.e2e.kit import enter, signed_on, started


def test_every_topic_can_be_read_in_both_languages(make_bench):
    for language, label, titles in (
        ("zh", "帮助", ("怎样消费", "怎样撤销", "怎样退货")),
        ("en", "Help", ("Sale", "Void", "Refund")),
    ):
        b = signed_on(make_bench(language=language))
        b.choose(label)
        for number, title in enumerate(titles, start=1):
            assert b.shows(title)
            b.press(str(number))
            assert b.screen()[0].strip(" ↓") == title and len(b.read()) == 10, b.screen()
            b.press("CANCEL")
        b.press("0")  # whom to call, and what to have ready
        text = "".join(b.read())
        assert "95516" in text and "00000001" in text and "123456789012345" in text
        b.close()


def test_a_page_of_help_is_one_screen():
    pages = [row for row in strings.TABLE if row[0].startswith("help_") and row[0][-1] in "123"]
    assert len(pages) == 27
    for name, *texts in pages:
        for text in texts:
            rows = wrap(text)
            assert len(rows) <= 3 and all(width(row) <= 16 for row in rows), (name, rows)


def test_magic_amounts_stand_there_in_test_mode_only(make_bench):
    b = signed_on(make_bench(settings={"test_mode": 1}, amounts=True))
    b.choose("帮助")
    b.press("UP", "ENTER")
    text = "\n".join(b.read())
    assert ".51 余额不足" in text and ".83 超时后才成功" in text
    b.press("CANCEL", "CANCEL")
    b.to_idle()
    started(b, 1051)  # and they do what they say
    enter(b, "123456")
    b.wait_for("余额不足")
    b.close()
    b = signed_on(make_bench())
    b.choose("帮助")
    b.press("UP")
    assert not b.shows("测试金额")


def test_the_list_is_the_acquirers():
    tails = {int(tail) for tail in topics.DECLINED} | {int(tail) for tail, *_ in topics.DONE}
    table = rules.amounts_table().splitlines()[2:]
    assert tails == {int(row.split(".")[1][:2]) for row in table}
    for row in table:
        tail, what = row.split(".")[1][:2], row.split("|")[2]
        assert (tail in topics.DECLINED) == ("declined" in what), row
