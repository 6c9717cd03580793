"""`mobi demo`: the day ends well in both languages, and its page shows what really happened."""

import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from host_tools import cli
from host_tools.acquirer import TEST_CARDS
from host_tools.bench import demo, demo_page
from host_tools.evidence import verify

LANGUAGES = ("zh", "en")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with the day in it."""
    out = tmp_path_factory.mktemp("demo")
    demo.play(out, lambda text: None)
    return out


class Short(demo.Day):
    """A day of one sale."""

    def _trade(self):
        self._begin()
        self._sale()
        return self.bench.journal()[-1].trace


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.titles, self.text = [], [], ""
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._in_title = tag == "h2"
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data
        if self._in_title and data.strip():
            self.titles.append(data)
            self._in_title = False


@pytest.fixture(scope="module")
def page(out):
    return Page((out / demo.INDEX).read_text(encoding="utf-8"))


def test_every_link_leads_to_a_file_and_every_picture_opens(out, page):
    assert len(page.links) > 100
    for link in page.links:
        assert not link.startswith(("http", "/", "..")), link
        assert (out / link).is_file(), link
        if link.endswith(".png"):
            with Image.open(out / link) as picture:
                picture.load()


def test_nothing_is_left_out_of_the_page(out, page):
    made = {str(path.relative_to(out)) for path in out.rglob("*.png")}
    assert {name for name in made if "evidence" not in name} <= set(page.links)


def test_the_same_chapters_in_both_languages(page):
    half = len(page.titles) // 2
    chinese, english = page.titles[:half], page.titles[half:]
    assert half == len(english) == 12
    assert all(re.search("[\u4e00-\u9fff]", title) for title in chinese)
    assert not any(re.search("[\u4e00-\u9fff]", title) for title in english)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_days_money_is_the_same_in_both_languages(out, language):
    journal = json.loads((out / language / "journal.json").read_text(encoding="utf-8"))
    assert [(txn["kind"], txn["amount"], txn["state"]) for txn in journal] == [
        ("sale", 12345, "voided"), ("void", 12345, "settled"),
        ("sale", 8800, "voided"), ("sale", 6660, "refunded"), ("void", 8800, "settled"),
        ("sale", 4500, "declined"), ("sale", 4500, "settled"), ("sale", 2000, "settled"),
        ("sale", 3000, "reversed"), ("sale", 3000, "settled"),
        ("refund", 1000, "settled"), ("balance", 0, "settled"),
    ]
    ledger = (out / language / "ledger.txt").read_text(encoding="utf-8")
    assert "151.60" in ledger
    slip = next((out / language).glob("receipt-01.txt")).read_text(encoding="utf-8")
    assert ("商户存根" in slip) == (language == "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_evidence_about_the_cut_off_sale_holds(out, language):
    found = verify(out / language / "evidence")
    assert not found, found
    text = (out / language / "evidence" / "evidence.json").read_text(encoding="utf-8")
    assert '"reversed"' in text


def test_no_card_number_stands_anywhere(out):
    numbers = [card.pan for card in TEST_CARDS]
    for path in out.rglob("*"):
        if path.suffix in (".txt", ".json", ".html"):
            text = path.read_text(encoding="utf-8")
            assert not any(number in text for number in numbers), path


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert cli.main(["demo", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "Nothing was changed" in said and "--out" in said
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    (tmp_path / demo.INDEX).write_text("<html>my own page</html>")
    assert cli.main(["demo", "--out", str(tmp_path)]) == 2
    assert (tmp_path / "letter.txt").exists()


def test_a_demo_that_was_interrupted_is_replaced(tmp_path, monkeypatch, capsys):
    # Wherever Ctrl-C comes: at the first picture, at the last, while an old demo is cleared away.
    class Interrupted(Short):
        def _shot(self, zh, en):
            super()._shot(zh, en)
            if self._shots == 4:
                raise KeyboardInterrupt

    def no_more(*_):
        raise KeyboardInterrupt

    out = tmp_path / "demo"
    monkeypatch.setattr(demo, "Day", Interrupted)
    assert cli.main(["demo", "--out", str(out), "--quiet"]) == 130
    assert list(out.rglob("screen-*.png"))
    assert "not finished" in (out / demo.INDEX).read_text(encoding="utf-8")
    monkeypatch.setattr(demo, "Day", Short)
    with monkeypatch.context() as clearing:
        clearing.setattr(demo.shutil, "rmtree", no_more)
        assert cli.main(["demo", "--out", str(out), "--quiet"]) == 130
    assert cli.main(["demo", "--out", str(out), "--quiet"]) == 0
    assert "not finished" not in (out / demo.INDEX).read_text(encoding="utf-8")
    assert capsys.readouterr().err.strip() == ""


def test_when_one_language_fails_the_other_ends_soon(tmp_path, monkeypatch):
    ended = []

    class Failing(demo.Day):
        def _sale(self):
            if self.language == "zh":
                raise ValueError("the day in Chinese")
            super()._sale()

        def play(self):
            try:
                return super().play()
            finally:
                ended.append(len(self.chapters))

    monkeypatch.setattr(demo, "Day", Failing)
    with pytest.raises(ValueError, match="the day in Chinese"):
        demo.play(tmp_path / "demo", lambda text: None)
    assert len(ended) == 2 and max(ended) < 6


def test_a_demo_is_replaced_and_progress_is_told(out, monkeypatch, capsys):
    monkeypatch.setattr(demo, "Day", Short)
    (out.parent / "again").mkdir()
    again = out.parent / "again"
    (again / demo.INDEX).write_text(demo_page.MARK)
    (again / "old.png").write_text("")
    assert cli.main(["demo", "--out", str(again)]) == 0
    assert not (again / "old.png").exists()
    said = capsys.readouterr().out
    assert "09:00:00  Switch on, log in, sign on" in said and f"Open {again / demo.INDEX}" in said
    assert cli.main(["demo", "--out", str(again), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
