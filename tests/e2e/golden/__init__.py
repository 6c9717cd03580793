"""Golden screens: pictures of the panel that a person has looked at and accepted.

    def test_the_approval(b, golden):
        ...
        golden(b, "sale-approved")

compares the panel pixel by pixel with tests/e2e/golden/<language>/sale-approved.png. Clock times
and dates are blanked on both sides, so that a picture does not depend on how fast a test is. When
a picture differs or is missing, the test fails and build/golden/index.html shows the old one, the
new one and the difference; `pytest --golden-update` accepts what is there now (then look at
`git diff`).
"""

from __future__ import annotations

import base64
import html
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from host_tools.bench import Bench
from host_tools.bench.panel import HEIGHT, ROWS, WIDTH, _cells_of

ROOT = Path(__file__).resolve().parents[3]
ACCEPTED = Path(__file__).parent
REPORT = ROOT / "build" / "golden"

# Names of the pictures that were compared in this process.
looked_at: set[str] = set()

Rows = list[int]  # 64 rows of 128 bits, the leftmost pixel in the highest

# What may differ from run to run without anybody having changed a screen.
_MOVING = re.compile(r"\d{4}-\d\d-\d\d|\d\d-\d\d(?= \d\d:)|\d\d:\d\d(?::\d\d)?")


def blanked(rows: Rows) -> Rows:
    """The pixels without clock times and dates."""
    rows = list(rows)
    for line in range(ROWS):
        cells = _cells_of(tuple(rows[16 * line : 16 * line + 16]))
        # One character a column, so that places in the text are places on the panel.
        text = "".join(cell[0] if cell[1] == 1 else cell[0] + "\0" for cell in cells)
        for found in _MOVING.finditer(text):
            mask = (1 << 8 * (found.end() - found.start())) - 1
            mask <<= WIDTH - 8 * found.end()
            for y in range(16 * line, 16 * line + 16):
                rows[y] &= ~mask
    return rows


def text_of(rows: Rows) -> list[str]:
    """What the pixels say."""
    return [
        "".join(cell[0] for cell in _cells_of(tuple(rows[16 * line : 16 * line + 16]))).rstrip()
        for line in range(ROWS)
    ]


def write(rows: Rows, path: Path) -> None:
    """A picture of 128 x 64 dots, one bit each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(row.to_bytes(WIDTH // 8, "big") for row in rows)
    Image.frombytes("1", (WIDTH, HEIGHT), data).save(path, "PNG", optimize=True)


def read(path: Path) -> Rows:
    """The inverse of ``write``."""
    with Image.open(path) as picture:
        data = picture.convert("1").tobytes()
    size = WIDTH // 8
    return [int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size)]


def check(bench: Bench, name: str, update: bool) -> None:
    """Compare what the panel shows with the accepted picture ``name`` of the bench's language."""
    new = blanked(bench.rig.panel.pixels())
    where = f"{bench.language}/{name}"
    path = ACCEPTED / f"{where}.png"
    looked_at.add(where)
    old = read(path) if path.exists() else None
    if old == new:
        return
    if update:
        write(new, path)
        return
    _report(where, old, new)
    what = "is new" if old is None else "differs from the accepted picture"
    shown = "\n".join(f"    |{row}|" for row in text_of(new))
    pytest.fail(
        f"the screen {where} {what}:\n{shown}\n" +
        f"see {REPORT / 'index.html'}; `pytest --golden-update` accepts it", pytrace=False)


def begin(config: pytest.Config) -> None:
    """Forget the report of the run before (in the process that starts the workers)."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(REPORT, ignore_errors=True)


def _report(where: str, old: Rows | None, new: Rows) -> None:
    folder = REPORT / where.replace("/", "-")
    write(new, folder / "new.png")
    if old is not None:
        write(old, folder / "old.png")
    _page()


def _page() -> None:
    parts = [_HEAD]
    for folder in sorted(path for path in REPORT.iterdir() if path.is_dir()):
        new = read(folder / "new.png")
        old = read(folder / "old.png") if (folder / "old.png").exists() else None
        parts.append(f"<h2>{html.escape(folder.name)}</h2><div>")
        if old is not None:
            parts.append(_figure("accepted", old, old))
        parts.append(_figure("now", new, new))
        if old is not None:
            parts.append(_figure("difference: red is gone, green has come", old, new))
        parts.append("</div>")
    page = REPORT / "index.html"
    fresh = page.with_suffix(f".{os.getpid()}")
    fresh.write_text("\n".join([*parts, "</body></html>"]), encoding="utf-8")
    fresh.replace(page)


def _figure(caption: str, old: Rows, new: Rows) -> str:
    colours = {(0, 0): (4, 6, 9), (1, 1): (190, 228, 255), (1, 0): (235, 60, 50),
               (0, 1): (60, 220, 90)}
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            shift = WIDTH - 1 - x
            picture.putpixel((x, y), colours[old[y] >> shift & 1, new[y] >> shift & 1])
    file = io.BytesIO()
    picture.resize((WIDTH * 3, HEIGHT * 3), Image.Resampling.NEAREST).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    text = html.escape("\n".join(text_of(new)))
    return (f'<figure><img src="data:image/png;base64,{data}" alt=""><figcaption>{caption}' +
            f"<pre>{text}</pre></figcaption></figure>")


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Screens that differ</title><style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top }
</style></head><body><h1>Screens that differ</h1>
<p><code>pytest --golden-update</code> accepts what is there now.</p>"""


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Bench, str], None]:
    """``golden(bench, name)``: the panel looks as somebody has accepted it."""
    update = request.config.getoption("--golden-update")
    return lambda bench, name: check(bench, name, update)
