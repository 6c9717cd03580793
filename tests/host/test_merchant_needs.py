"""docs/merchant-needs.md: all 99 rows, and everything they name is really there."""

import re

import pytest

from mobi.ui import strings
from tests.host import references
from tests.host.references import ROOT

DOCS = ROOT / "docs"
ROWS = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in (DOCS / "merchant-needs.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| S")]
TEXTS = {row[0] for row in strings.TABLE}


def by_number(row):
    return row[0]


def test_there_are_99_rows_in_order():
    assert [row[0] for row in ROWS] == [f"S{number}" for number in range(1, 100)]


@pytest.mark.parametrize("row", ROWS, ids=by_number)
def test_a_row_names_what_is_there(row):
    _, kind, asked, done, where, shown = row
    assert kind in ("F", "A") and asked and done
    places = re.findall(r"`([^`]+)`", where)
    pages = re.findall(r"\]\(([^)]+)\)", where)
    assert places or pages, "says nowhere"
    for place in places:
        name, _, part = place.partition(":")
        if name == "text":
            assert part in TEXTS, place
        else:
            path = name if name.startswith("host_tools/") else f"firmware/mobi/{name}"
            assert references.is_there(path, part), place
    for page in pages:
        name, _, heading = page.partition("#")
        assert heading in headings(name), page
    tests = re.findall(r"`([^`]+)`", shown)
    for test in tests:
        assert references.missing_tests(f"tests/{test}") == [] and "::" in test, test
    if kind == "F":
        assert any(test.startswith("e2e/") for test in tests), "no test of a whole terminal"
    else:
        assert pages or any(place.startswith("text:") for place in places), "no advice"


def headings(page):
    """The anchors of a page, as GitHub makes them."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines() if line.startswith("#")}


def test_every_text_is_named_as_it_reads():
    """Chinese in the table is the terminal's own: a renamed screen must not leave it behind."""
    known = "".join(f"{chinese}\n" for _, chinese, _ in strings.TABLE).replace(" ", "")
    known += (DOCS / "menu-tree.txt").read_text(encoding="utf-8")
    for row in ROWS:
        for words in re.findall(r"[一-鿿]+(?:,[一-鿿]+)*", row[3]):
            assert words in known, f"{row[0]}: {words}"
