"""docs/prevention.md says what the code does: parts, thresholds, limits and their presets."""

import re
from pathlib import Path

from mobi import settings
from mobi.flows import limits, selfcheck
from mobi.ui import strings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "prevention.md").read_text(encoding="utf-8")
FIRMWARE = ROOT / "firmware"


def table(name):
    """The rows of a marked table, as lists of cells."""
    text = PAGE.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()[2:]]


def test_every_part_stands_there_in_its_order():
    names = [strings.lookup("unit_" + name, 0) + " " + strings.lookup("unit_" + name, 1)
             for name, _ in selfcheck._CHECKS]
    assert [row[0] for row in table("checks")] == names


def test_thresholds_are_the_codes():
    numbers = set(re.findall(r"\d+", "".join(cell for row in table("checks") for cell in row)))
    wanted = {selfcheck._SLOW_MS // 1000, selfcheck._WEAK, selfcheck._CLOCK_OFF_S,
              selfcheck._OLD_DAYS, selfcheck._ERASES, selfcheck._LOW_HEAP}
    assert {str(number) for number in wanted} == numbers


def test_limits_and_their_presets():
    rows = table("limits")
    assert [row[0].strip("`") for row in rows] == re.findall(
        r"^    (\w+_\w+) ", limits.__doc__ or "", re.M)
    for name, _, preset in rows:
        value = settings.row(name.strip("`"))[2]
        assert preset == (str(value) if value else "none")


def test_every_report_the_firmware_makes_stands_there():
    sent = set()
    for path in FIRMWARE.rglob("*.py"):
        sent |= set(re.findall(r't\.report\("(\w+): ', path.read_text(encoding="utf-8")))
    assert {row[0].strip("`").partition(":")[0] for row in table("reports")} == sent
