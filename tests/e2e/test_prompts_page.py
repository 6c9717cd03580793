"""docs/prompts.md: every table walked through in both languages, every refusal a text there is."""

import re
from pathlib import Path

import pytest

from host_tools.bench import stories
from mobi.acquiring import codes
from mobi.ui import strings
from tests.e2e.kit import CARD, ended_well, signed_on

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
SECTIONS = {title: body for title, body in re.findall(
    r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)}
FLOWS = [title for title in SECTIONS if title != "Refusals"]


def rows(section):
    """(Chinese, English, third column) of a section's table."""
    found = re.findall(r"^\| (.+?) \| (.+?) \|(.*)\|$", SECTIONS[section], re.MULTILINE)
    return [(zh, en, rest.strip().strip("`")) for zh, en, rest in found[1:]]


def ways(section):
    """The calls that start the flow."""
    line = re.search(r"^Starts .*$", SECTIONS[section], re.MULTILINE)[0]
    return re.findall(r"`(b\..+?)`", line)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("flow", FLOWS)
def test_the_prompts_come_as_the_page_says(make_bench, flow, language):
    for way in ways(flow):
        if language == "en" and "choose" in way and way != ways(flow)[0]:
            continue  # the labels of the page are the Chinese ones
        b = signed_on(make_bench(language=language))
        sale = stories.sale(b, 5000)
        names = {"b": b, "CARD": CARD, "sale": sale}
        exec(way if language == "zh" else english(way, flow), names)
        for zh, en, answer in rows(flow):
            b.wait_for(zh if language == "zh" else en)
            exec(answer, names)
        b.to_idle()
        ended_well(b)


def english(way, flow):
    """The same call with the English label, which stands behind the Chinese one in the title."""
    zh, _, en = flow.partition(" ")
    return way.replace(zh, en)


@pytest.mark.parametrize("way", ["CANCEL", "time"])
def test_leaving_takes_no_longer_than_the_page_says(make_bench, way):
    b = signed_on(make_bench())
    for flow in FLOWS:
        exec(ways(flow)[0], {"b": b})
        if way == "CANCEL":
            b.press("CANCEL")
            b.to_idle()
        else:
            b.clock.advance(60 + 5)
        assert b.shows("请刷卡") and b.shows("确认=菜单"), (flow, b.screen())
    assert b.journal() == []


def test_refusals_are_texts_of_the_terminal():
    said = [(zh, en) for _, zh, en in strings.TABLE] + [(row[2], row[3]) for row in codes.TABLE]
    for zh, en, _ in rows("Refusals"):
        assert any(text[0].startswith(zh) and text[1].startswith(en) for text in said), (zh, en)
