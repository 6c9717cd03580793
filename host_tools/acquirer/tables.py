"""Keeps the tables of docs/acquirer.md equal to the code.

    python -m host_tools.acquirer.tables [--check] [FILE]

Writes the tables between the marks, or with ``--check`` only says (exit code 1) what is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from host_tools.acquirer import cards, rules

DOCUMENT = Path(__file__).parents[2] / "docs" / "acquirer.md"
TABLES = {
    "cards": cards.table,
    "personalities": rules.personalities_table,
    "amounts": rules.amounts_table,
}


def renewed(text: str) -> str:
    """``text`` with every table as the code says; ``ValueError`` names a missing mark."""
    for name, table in TABLES.items():
        marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if len(marks.findall(text)) != 1:
            raise ValueError(f"<!-- {name} --> and <!-- /{name} --> must stand there once")
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        after = rest.split(f"<!-- /{name} -->", 1)[1]
        text = f"{before}<!-- {name} -->\n{table()}\n<!-- /{name} -->{after}"
    return text


def main() -> int:
    """0 when the tables are (or have been made) current."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=DOCUMENT)
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args()
    old = args.file.read_text(encoding="utf-8")
    new = renewed(old)
    if new == old:
        return 0
    if args.check:
        print(f"{args.file} is stale: run python -m host_tools.acquirer.tables", file=sys.stderr)
        return 1
    args.file.write_text(new, encoding="utf-8")
    print(f"{args.file} renewed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
