"""`mobi run` and `mobi demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from host_tools.cli import UserError
from host_tools.micropython import NoMicroPython


def add_parsers(commands: argparse._SubParsersAction) -> None:
    """Add the commands of this part."""
    run = commands.add_parser(
        "run", help="terminal and acquirer with an interactive view, until Ctrl-C"
    )
    run.add_argument("--language", choices=("zh", "en"), default="zh", help="of the terminal")
    run.add_argument("--seed", type=int, default=1, help="everything random comes from it")
    run.add_argument("--keep", type=Path, metavar="FOLDER", help="keep flash, log and paper there")
    run.set_defaults(run=_run)
    demo = commands.add_parser(
        "demo", help="a scripted trading day; pictures, receipts, journal, ledger, trace"
    )
    demo.add_argument("--out", type=Path, default=Path("build/demo"), help="default: build/demo")
    demo.add_argument("--language", choices=("zh", "en"), default="zh")
    demo.add_argument("--quiet", action="store_true", help="no progress")
    demo.set_defaults(run=_demo)


def _run(args: argparse.Namespace) -> int:
    from host_tools.bench.bench import Bench
    from host_tools.bench.console import Console

    try:
        with Bench(seed=args.seed, language=args.language, keep=args.keep) as bench:
            bench.power_on()
            Console(bench, sys.stdout).run()
    except NoMicroPython as error:
        raise UserError(str(error)) from error
    return 0


def _demo(args: argparse.Namespace) -> int:
    from host_tools.bench.demo import Demo

    def progress(text: str) -> None:
        if not args.quiet:
            print(text, flush=True)

    try:
        index = Demo(args.out, args.language, progress).run()
    except NoMicroPython as error:
        raise UserError(str(error)) from error
    progress(f"Open {index}")
    return 0
