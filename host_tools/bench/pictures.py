"""Draws the README's pictures: moments at the panel and a slip, from a real run of the bench.

    python -m host_tools.bench.pictures            draw them into docs/pictures
    python -m host_tools.bench.pictures --check    are they current? exit code 1 when not
    python -m host_tools.bench.pictures --pico     draw the one of docs/boards.md: takes minutes,
                                                   and wants the image of `make uf2`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops

from host_tools.bench import stories
from host_tools.bench.bench import LANGUAGES, Bench
from host_tools.bench.paper_picture import TABLE
from host_tools.places import ROOT

FOLDER = ROOT / "docs" / "pictures"
PICO = FOLDER / "pico-power-cut.png"
_COLUMNS = 2
_SCALE = 3  # dots of the picture for a pixel of the panel
_GAP = 12


def draw(language: str) -> Image.Image:
    """A sale, the void of it, a sale whose reply is lost and what becomes of it; the first slip."""
    panels: list[Image.Image] = []
    with Bench(language=language) as bench:

        def shot() -> None:
            panels.append(bench.rig.panel.image(scale=_SCALE))

        bench.power_on()
        bench.sign_on()
        bench.swipe(stories.CARD)
        shot()
        _go_on(bench, shot)
        bench.press("LAST")
        bench.type(stories.SUPERVISOR)
        bench.press("ENTER")
        shot()
        bench.to_idle()
        bench.line.drop_next("reply")
        stories.sale(bench, 2000, wait=False)
        bench.clock.advance(70)
        shot()
        bench.to_idle()
        shot()
        bench.choose(stories.text(bench, "unfinished"))
        shot()
        bench.to_idle()
        stories.sale(bench, 2000)
        bench.choose(stories.text(bench, "browse"))
        bench.press("DOWN")
        shot()
        return _lay_out(panels, bench.rig.paper.image(receipt=0))


def draw_pico() -> Image.Image:
    """The emulated Pico: a sale; the next one loses its power while it waits; what it does then."""
    panels: list[Image.Image] = []
    with Bench(board="pico", settings={"copies": 1, "reversal_minutes": 1}) as bench:

        def shot() -> None:
            panels.append(bench.rig.panel.image(scale=_SCALE))

        bench.power_on()
        bench.sign_on()
        bench.swipe(stories.CARD)
        _go_on(bench, shot)
        bench.line.delay_next("reply", 20)
        stories.sale(bench, 2000, wait=False)
        bench.clock.advance(1)
        shot()
        bench.power_cut()
        shot()
        bench.power_on()
        bench.sign_on()
        shot()
        bench.choose(stories.text(bench, "unfinished"))
        shot()
        bench.press("ENTER")
        shot()
        bench.to_idle()
        bench.wait_until(lambda: bench.journal()[-1].state == "reversed")
        bench.to_idle()
        bench.choose(stories.text(bench, "browse"))
        shot()
        return _lay_out(panels)


def _go_on(bench: Bench, shot: Callable[[], None]) -> None:
    # The card is swiped: amount, PIN, approved.
    bench.press("ENTER")
    bench.type("12345")
    shot()
    bench.press("ENTER")
    bench.type(stories.PIN)
    bench.press("ENTER")
    bench.wait_for(stories.text(bench, "approved"))
    shot()
    stories.finish(bench)


def _lay_out(panels: list[Image.Image], slip: Image.Image | None = None) -> Image.Image:
    # The panels in columns, the slip to their right and as tall as they are.
    width, height = panels[0].size
    rows = -(-len(panels) // _COLUMNS)
    tall = rows * (height + _GAP) - _GAP
    left = _GAP + _COLUMNS * (width + _GAP)
    wide = left
    if slip is not None:
        slip = slip.resize((slip.width * tall // slip.height, tall), Image.Resampling.LANCZOS)
        wide += slip.width + _GAP
    page = Image.new("RGB", (wide, tall + 2 * _GAP), TABLE)
    for number, panel in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        page.paste(panel, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
    if slip is not None:
        page.paste(slip, (left, _GAP))
    return page.quantize(32)


def path(language: str) -> Path:
    """Where the picture in that language lies."""
    return FOLDER / f"terminal-{language}.png"


def is_current(language: str) -> bool:
    """Does the committed picture show what the terminal shows now?"""
    if not path(language).exists():
        return False
    with Image.open(path(language)) as old:
        before, now = old.convert("RGB"), draw(language).convert("RGB")
    return before.size == now.size and ImageChops.difference(before, now).getbbox() is None


def main() -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(description="Draw the README's pictures.")
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    parser.add_argument("--pico", action="store_true", help="draw the one of the emulated Pico")
    args = parser.parse_args()
    if args.pico:
        draw_pico().save(PICO, "PNG", optimize=True)
        print(PICO)
        return 0
    if args.check:
        old = [language for language in LANGUAGES if not is_current(language)]
        for language in old:
            print(f"{path(language)} is not current: run make pictures", file=sys.stderr)
        return 1 if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        draw(language).save(path(language), "PNG", optimize=True)
        print(path(language))
    return 0


if __name__ == "__main__":
    sys.exit(main())
