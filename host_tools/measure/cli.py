"""`mobi bench`: runs the measurements, prints a table, writes build/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import host_tools.measure


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this part."""
    bench = commands.add_parser("bench", help="measure; prints a table, writes build/bench.json")
    bench.add_argument("parts", nargs="*", help=f"only these of: {', '.join(parts())}")
    bench.add_argument("--out", type=Path, default=Path("build/bench.json"))
    bench.set_defaults(run=_bench)


def parts() -> list[str]:
    """The names of the modules that measure something."""
    found = (info.name for info in pkgutil.iter_modules(host_tools.measure.__path__))
    return sorted(name for name in found if name != "cli" and not name.startswith("_"))


def load(part: str) -> ModuleType:
    """The module of a part."""
    return importlib.import_module(f"host_tools.measure.{part}")


def _bench(args: argparse.Namespace) -> int:
    from host_tools.cli import UserError

    unknown = sorted(set(args.parts) - set(parts()))
    if unknown:
        raise UserError(f"nothing measures {', '.join(unknown)}; there are {', '.join(parts())}")
    results: dict[str, float] = {}
    if args.parts and args.out.exists():
        results = json.loads(args.out.read_text(encoding="utf-8"))
    for part in args.parts or parts():
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        module = load(part)
        measured = module.measure()
        undescribed = sorted(set(measured) - set(module.DESCRIPTIONS))
        if undescribed:
            raise RuntimeError(f"{part} does not describe {undescribed}")
        results.update(measured)
        for name, value in sorted(measured.items()):
            print(f"{name:<44} {_text(value):>14}  {module.DESCRIPTIONS[name]}", flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"written to {args.out}", file=sys.stderr)
    return 0


def _text(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"
