"""`mobi sweep` and `mobi storm`: is the money right wherever power or line fail?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from host_tools.bench import storm, sweep
from host_tools.bench.sweep import BadPlan, Cut, Result
from host_tools.cli import UserError
from host_tools.micropython import NoMicroPython


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this part."""
    told = "\n".join(f"  {name:<11} {story.text}" for name, story in sweep.STORIES.items())
    one = commands.add_parser(
        "sweep", help="cut power and line at every place of a story and check the money",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs a story once for every flash operation (power cut there, torn and not\n"
                    + "begun) and every frame on the line (line cut behind it and inside). After\n"
                    + "each the money must be right at both ends. Exit code 1 when it is not.\n\n"
                    + f"stories:\n{told}")
    one.add_argument("story", nargs="+", metavar="STORY", help="one of those above, or all")
    one.add_argument("--power", action="store_true", help="only cuts of the power")
    one.add_argument("--line", action="store_true", help="only cuts of the line")
    one.add_argument("--bytes", action="store_true", help="cut the line at every byte")
    one.add_argument("--only", metavar="CUT", help="one cut, like power:3:torn or line:217")
    _common(one)
    one.set_defaults(run=_sweep)
    many = commands.add_parser(
        "storm", help="random trading days with random faults; the money must be right",
        description="Makes up days from seeds: what the operator does and what fails, checks the "
                    + "money after every step, and shortens what fails to one line.")
    many.add_argument("--days", type=int, default=1, help="how many, with seeds upwards (1)")
    many.add_argument("--steps", type=int, default=30, help="of a day (30)")
    many.add_argument("--plan", metavar="LINE", help="play this plan instead of a random one")
    many.add_argument("--quiet", action="store_true", help="do not tell each step")
    _common(many)
    many.set_defaults(run=_storm)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="everything random comes from it (1)")
    parser.add_argument("--board", default="unix", help="what the firmware runs on (unix)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="processes at the same time (%(default)s)")


def _sweep(args: argparse.Namespace) -> int:
    names = list(sweep.STORIES) if args.story == ["all"] else args.story
    unknown = [name for name in names if name not in sweep.STORIES]
    if unknown:
        raise UserError(f"no story {', '.join(unknown)}; there are {', '.join(sweep.STORIES)}")
    try:
        only = [Cut.parse(args.only)] if args.only else None
        broken = sum(_sweep_one(name, args, only) for name in names)
    except (NoMicroPython, BadPlan, ValueError) as error:
        raise UserError(str(error)) from error
    return 1 if broken else 0


def _sweep_one(name: str, args: argparse.Namespace, only: Sequence[Cut] | None) -> int:
    began = time.monotonic()
    if only is None:
        size = sweep.Sweep(sweep.STORIES[name], args.seed, args.board).measure()
        cuts = size.cuts(args.power or not args.line, args.line or not args.power, args.bytes)
        frames = len(size.frame_ends)
        print(f"{name}: {sweep.STORIES[name].text}; {size.flash_ops} flash operations, {frames} "
              + f"frames, {len(cuts)} cuts")
    else:
        cuts = list(only)
    print(f"{'cut':<16} {'the terminal says':<36} {'the host says':<36}")
    results = []
    for result in sweep.run_all(name, cuts, args.seed, args.board, args.jobs):
        results.append(result)
        print(f"{result.cut!s:<16} {result.here:<36} {result.there:<36} "
              + ("BROKEN" if result.wrong else "good"), flush=True)
        if result.wrong:
            _explain(name, result, args)
    bad = sum(bool(result.wrong) for result in results)
    print(f"{name}: {len(results)} cuts, {bad} broken, {time.monotonic() - began:.0f} s\n")
    return bad


def _explain(name: str, result: Result, args: argparse.Namespace) -> None:
    for text in result.wrong:
        print(f"    {text}")
    where = "" if args.board == "unix" else f" --board {args.board}"
    print(f"    replay: mobi sweep {name} --seed {args.seed}{where} --only {result.cut}")


def _storm(args: argparse.Namespace) -> int:
    try:
        given = storm.parse(args.plan) if args.plan else None
    except BadPlan as error:
        raise UserError(str(error)) from error

    def tell(text: str) -> None:
        if not args.quiet:
            print(f"  {text}", flush=True)

    for seed in range(args.seed, args.seed + (1 if given else args.days)):
        steps = storm.plan(seed, args.steps) if given is None else given
        began = time.monotonic()
        try:
            day = storm.run(steps, seed, args.board, tell)
        except storm.StormError as error:
            print(error, file=sys.stderr)
            return 1
        except (NoMicroPython, ValueError) as error:
            raise UserError(str(error)) from error
        print(f"seed {seed}: {day.done} steps, {day.transactions} transactions, "
              + f"{day.power_cuts} power cuts, {day.virtual_s / 60:.0f} minutes of the terminal's "
              + f"time in {time.monotonic() - began:.1f} s: the money is right", flush=True)
    return 0
