"""`mobi sweep` and `mobi storm`: is the money right wherever power or line fail?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby

from host_tools.bench import boards, storm, sweep
from host_tools.bench.nor import MODES
from host_tools.bench.oracle import Counts
from host_tools.bench.sweep import BadPlan, Cut, Result
from host_tools.cli import UserError
from host_tools.micropython import NoMicroPython

_ROW = "{:<30} {:<30} {:<30} {}"


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
    what = one.add_mutually_exclusive_group()
    what.add_argument("--power", action="store_true", help="only cuts of the power")
    what.add_argument("--line", action="store_true", help="only cuts of the line")
    what.add_argument("--only", metavar="CUT", help="one cut, like power:3:torn or line:217")
    one.add_argument("--all-ways", action="store_true",
                     help="cut the power in every way a flash operation can be hit")
    one.add_argument("--bytes", action="store_true", help="cut the line at every byte")
    one.add_argument("--thin", type=_count, default=1, metavar="N",
                     help="behind the 8th flash operation take only every N-th (1)")
    _common(one)
    one.set_defaults(run=_sweep)
    many = commands.add_parser(
        "storm", help="random trading days with random faults; the money must be right",
        description="Makes up days from seeds: what the operator does and what fails, checks the "
                    + "money after every step, and shortens what fails to one line.")
    many.add_argument("--days", type=_count, default=1, help="how many, with seeds upwards (1)")
    many.add_argument("--steps", type=_count, default=30, help="of a day (30)")
    many.add_argument("--plan", metavar="LINE", help="play this plan instead of a random one")
    _common(many)
    many.set_defaults(run=_storm)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="everything random comes from it (1)")
    parser.add_argument("--board", default="unix", help="what the firmware runs on (unix)")
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1,
                        help="processes at the same time (%(default)s)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


# -- sweep -----------------------------------------------------------------------------------------


def _sweep(args: argparse.Namespace) -> int:
    names = list(sweep.STORIES) if args.story == ["all"] else args.story
    unknown = [name for name in names if name not in sweep.STORIES]
    if unknown:
        raise UserError(f"no story {', '.join(unknown)}; there are {', '.join(sweep.STORIES)}")
    try:
        only = [Cut.parse(args.only)] if args.only else None
        broken = sum(_sweep_one(name, args, only) for name in names)
    except (NoMicroPython, BadPlan, boards.NoSuchBoard) as error:
        raise UserError(str(error)) from error
    return 1 if broken else 0


def _sweep_one(name: str, args: argparse.Namespace, only: Sequence[Cut] | None) -> int:
    began = time.monotonic()
    cuts = only
    if cuts is None:
        size = sweep.Sweep(sweep.STORIES[name], args.seed, args.board).measure()
        how = ("clean", "torn") if not args.all_ways else ("clean", *MODES[1:])
        cuts = size.cuts(not args.line, not args.power, how=how, every_byte=args.bytes,
                         thin=args.thin)
        print(f"{name}: {sweep.STORIES[name].text}; {size.flash_ops} flash operations and "
              + f"{len(size.frame_ends)} frames, cut in {len(cuts)} ways")
    print(_ROW.format("cut", "then the terminal has", "and the host", "").rstrip())
    results = sweep.run_all(name, cuts, args.seed, args.board, args.jobs)
    bad = 0
    looked = Counts()
    for (here, there, wrong), same in groupby(
        _counted(results, len(cuts), looked),
        lambda result: (result.here, result.there, result.wrong),
    ):
        group = [result.cut for result in same]
        which = str(group[0]) if len(group) == 1 else f"{group[0]} to {group[-1]}"
        print(_ROW.format(which, here, there, "BROKEN" if wrong else "good"), flush=True)
        if wrong:
            bad += len(group)
            _explain(name, group[0], wrong, args)
    print(f"{name}: {len(cuts)} cuts, {bad} broken, {time.monotonic() - began:.0f} s; {looked}\n")
    return bad


def _counted(results: Iterable[Result], total: int, looked: Counts) -> Iterator[Result]:
    # With a counter on the console, as equal results come out as one line only when they end.
    shown = sys.stderr.isatty()
    for number, result in enumerate(results, 1):
        if shown:
            print(f"\r{number} of {total}\r", end="", file=sys.stderr, flush=True)
        looked.add(result.looked)
        yield result


def _explain(name: str, cut: Cut, wrong: Sequence[str], args: argparse.Namespace) -> None:
    for text in wrong:
        print(f"    {text}")
    where = "" if args.board == "unix" else f" --board {args.board}"
    print(f"    replay: mobi sweep {name} --seed {args.seed}{where} --only {cut}")


# -- storm -----------------------------------------------------------------------------------------


def _storm(args: argparse.Namespace) -> int:
    try:
        if args.plan is not None:
            print(_tell_day(args.seed, storm.parse(args.plan), args.board, _tell)[0])
        elif args.days == 1:
            print(_tell_day(args.seed, storm.plan(args.seed, args.steps), args.board, _tell)[0])
        else:
            _storms(args)
    except storm.StormError as error:
        print(error, file=sys.stderr)
        return 1
    except (NoMicroPython, BadPlan, boards.NoSuchBoard) as error:
        raise UserError(str(error)) from error
    return 0


def _storms(args: argparse.Namespace) -> None:
    day = partial(_planned_day, steps=args.steps, board=args.board)
    looked = Counts()
    with ProcessPoolExecutor(args.jobs) as pool:
        for text, counts in pool.map(day, range(args.seed, args.seed + args.days)):
            print(text, flush=True)
            looked.add(counts)
    print(f"{args.days} days: {looked}")


def _planned_day(seed: int, steps: int, board: str) -> tuple[str, Counts]:
    return _tell_day(seed, storm.plan(seed, steps), board, lambda text: None)


def _tell_day(
    seed: int, steps: Sequence[storm.Step], board: str, tell: storm.Tell
) -> tuple[str, Counts]:
    began = time.monotonic()
    day = storm.run(steps, seed, board, tell)
    return (
        f"seed {seed}: {day.done} steps, {day.transactions} transactions, {day.power_cuts} power "
        + f"cuts, {day.virtual_s / 60:.0f} minutes of the terminal's time in "
        + f"{time.monotonic() - began:.1f} s; {day.looked}: the money is right"
    ), day.looked


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)
