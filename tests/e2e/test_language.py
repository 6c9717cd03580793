"""The language can be changed at any time; every place of the menus is in one language only."""

import re

import pytest

from host_tools.bench import menu, stories
from tests.e2e import desk
from tests.e2e.kit import signed_on

CHINESE = re.compile("[\u4e00-\u9fff]")
# The names of the languages, and the merchant's own, are what they are.
OWN_NAMES = ("中文", "English", "末笔", "Mobi")
# What takes the operator away from the menus has tests of its own.
LEADS_AWAY = ("锁定终端", "换操作员", "签退", "语言")


def leaves(items, path=()):
    """All entries of the menus that run something: their labels from the top."""
    for item in items:
        here = (*path, item["labels"])
        if "items" in item:
            yield from leaves(item["items"], here)
        else:
            yield here


PATHS = [path for path in leaves(menu.tree()["main"]) if path[-1][0] not in LEADS_AWAY]


def of_one_language(b, where):
    text = "".join(b.screen())
    for name in OWN_NAMES:
        text = text.replace(name, "")
    if b.language == "en":
        assert not CHINESE.search(text), (where, b.screen())
    else:
        words = [word for word in re.findall("[A-Za-z]{3,}", text) if word != "RMB"]
        assert words == [], (where, b.screen())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_place_of_the_menus(make_bench, language):
    b = signed_on(make_bench(language=language))
    stories.sale(b, 1000)
    of_one_language(b, "idle")
    for path in PATHS:
        names = [labels[language == "en"] for labels in path]
        b.choose("/".join(names))
        of_one_language(b, names)
        before = b.screen()
        b.press("CANCEL")
        if b.screen() != before:
            of_one_language(b, names)
        b.to_idle()


def test_switching_takes_effect_at_once_and_stays(bench):
    b = signed_on(bench)
    b.choose("语言")
    b.press("2")
    assert b.shows("ENTER=menu") and b.shows("Swipe")
    b.press("ENTER")
    assert b.shows("1Sale") and b.shows("2Void")
    b.press("CANCEL")
    desk.restart(b)
    assert b.shows("Log in")
    assert desk.notes(b, "P") == ["01 -- language 0 > 1"]
    desk.log_in(b)
    b.to_idle()
    b.choose("Language")
    b.press("1")
    assert b.shows("确认=菜单")
    # The slip is in the language of its time.
    b.language = "zh"
    stories.sale(b, 500)
    assert "SALES SLIP" not in b.paper() and "签购单" in b.paper()
