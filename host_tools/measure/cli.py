"""`mobi bench`: runs the measurements, prints a table, writes build/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path
from typing import cast

import host_tools.measure
from host_tools.measure import report

_NO_PARTS = ("cli", "report")

_INTRODUCTION = """\
# Measurements

`make bench` runs them all in a few minutes, prints a table and writes `build/bench.json`, an object
of name to number. `mobi bench journal line` runs only these parts and keeps the other numbers.

Three kinds of numbers are in it. Those of virtual time, bytes and operations are the same on every
machine and in every run: buses, flash chip and line take what their data sheets say. Times of a
processor are this machine's: do not compare them between machines, and let nothing else run
meanwhile. Ratios are taken between two things measured in the same run, and move little.

A goal that is missed is named at the end of the table; the exit code stays 0, because a busy
machine misses the goals of processor time. Goals that do not depend on the machine are tests, too.

This page is written by `mobi bench --describe > docs/benchmarks.md`.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this part."""
    bench = commands.add_parser(
        "bench", help="measure; prints a table, writes build/bench.json",
        description="Measures what docs/benchmarks.md describes. A machine that is busy with "
        + "something else makes the times of processors longer; the others stay the same.",
    )
    bench.add_argument("parts", nargs="*", help=f"only these of: {', '.join(parts())}")
    bench.add_argument("--out", type=Path, default=Path("build/bench.json"),
                       help="default: %(default)s; numbers of other parts in it are kept")
    bench.add_argument("--describe", action="store_true",
                       help="only print what each number means: docs/benchmarks.md")
    bench.set_defaults(run=_bench)


def parts() -> list[str]:
    """The names of the modules that measure something."""
    found = (info.name for info in pkgutil.iter_modules(host_tools.measure.__path__))
    return sorted(name for name in found if name not in _NO_PARTS and not name.startswith("_"))


def load(part: str) -> report.Part:
    """The module of a part."""
    return cast(report.Part, importlib.import_module(f"host_tools.measure.{part}"))


def describe() -> str:
    """The text of docs/benchmarks.md: each part with its docstring and its table."""
    text = [_INTRODUCTION]
    for part in parts():
        module = load(part)
        about = (module.__doc__ or "").strip().replace("``", "`")
        text.append(f"## {part}\n\n{about}\n\n{report.markdown(module)}\n")
    return "\n".join(text)


def _bench(args: argparse.Namespace) -> int:
    from host_tools.cli import UserError

    unknown = sorted(set(args.parts) - set(parts()))
    if unknown:
        raise UserError(f"nothing measures {', '.join(unknown)}; there are {', '.join(parts())}")
    if args.describe:
        print(describe(), end="")
        return 0
    try:
        results = _begin(args.out, keep=bool(args.parts))
    except OSError as error:
        raise UserError(
            f"cannot write to {args.out}: {error.strerror}. Nothing was measured; name a file "
            + "with --out.") from error
    except ValueError as error:
        raise UserError(
            f"{args.out} holds no numbers of an earlier run: {error}. Nothing was measured; name "
            + "another file with --out.") from error
    missed: list[str] = []
    for part in args.parts or parts():
        module = load(part)
        began = time.monotonic()
        measured = module.measure()
        if set(measured) - set(module.DESCRIPTIONS):
            raise RuntimeError(f"{part} does not describe all it measures")
        results.update(measured)
        print("\n".join(report.table(module, measured)))
        print(f"  ({time.monotonic() - began:.0f} s)\n", flush=True)
        missed += report.missed(module, measured)
    args.out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for text in missed:
        print(f"goal missed: {text}")
    print(f"written to {args.out}", file=sys.stderr)
    return 0


def _begin(out: Path, keep: bool) -> dict[str, float]:
    # The numbers of earlier runs; whether the file can be written is known before the minutes of
    # measuring, not after. It is not changed yet.
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a+", encoding="utf-8") as file:
        file.seek(0)
        text = file.read()
    if not keep or not text:
        return {}
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not an object of name to number")
    return found
