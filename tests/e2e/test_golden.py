"""The golden harness itself: it fails on a new and on a changed screen, and shows what differs."""

import pytest

from tests.e2e import golden as screens
from tests.e2e.kit import signed_on


@pytest.fixture
def b(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(screens, "ACCEPTED", tmp_path / "accepted")
    monkeypatch.setattr(screens, "REPORT", tmp_path / "report")
    return signed_on(bench)


def page(tmp_path):
    return (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_a_new_screen_fails_until_it_is_accepted(b, tmp_path):
    with pytest.raises(pytest.fail.Exception, match="zh/idle is new"):
        screens.check(b, "idle", update=False)
    assert "zh-idle" in page(tmp_path) and "请刷卡" in page(tmp_path)
    screens.check(b, "idle", update=True)
    screens.check(b, "idle", update=False)
    assert (tmp_path / "accepted" / "zh" / "idle.png").stat().st_size < 1000


def test_a_changed_screen_fails_and_shows_the_difference(b, tmp_path):
    screens.check(b, "idle", update=True)
    b.press("ENTER")
    with pytest.raises(pytest.fail.Exception, match="differs"):
        screens.check(b, "idle", update=False)
    text = page(tmp_path)
    assert text.count("<img") == 3 and "red is gone" in text and "主菜单" in text


def test_the_time_of_day_does_not_matter(b):
    screens.check(b, "idle", update=True)
    before = b.screen()
    b.clock.advance(3600)
    assert b.screen() != before
    screens.check(b, "idle", update=False)
