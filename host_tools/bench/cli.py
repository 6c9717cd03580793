"""`mobi run` and `mobi demo`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from host_tools import places
from host_tools.bench import states
from host_tools.cli import UserError
from host_tools.micropython import NoMicroPython

if TYPE_CHECKING:
    from host_tools.acquirer.notices import Sink
    from host_tools.bench.bench import Bench

log = logging.getLogger(__name__)


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this part."""
    run = commands.add_parser(
        "run", help="terminal and acquirer with a console view and a page, until Ctrl-C",
        description="A terminal and its acquirer at the pace of real time: a view in this " +
                    "console, and a page for the browser. Without a console it writes a log.")
    run.add_argument("--page", type=_port, default=0, metavar="PORT",
                     help="port of the page on this machine (default: any free one)")
    run.add_argument("--no-page", action="store_true", help="no page")
    run.add_argument("--language", choices=("zh", "en"), default=places.language(),
                     help="of terminal, page and console (default: by LANG, here %(default)s)")
    run.add_argument("--amounts", action="store_true",
                     help="let the last two digits of an amount choose what the acquirer does "
                     + "(the table: mobi host --amounts)")
    run.add_argument("--state", choices=states.names(), metavar="NAME",
                     help=f"begin where something has happened: {', '.join(states.names())}")
    run.add_argument("--seed", type=int, default=1, help="everything random comes from it")
    run.add_argument("--board", default="unix", help="what the firmware runs on (default: unix)")
    run.add_argument("--keep", type=Path, metavar="FOLDER",
                     help="keep the flash there, and go on with what lies there already")
    run.add_argument("--notices", type=Path, metavar="FILE",
                     help="append the merchant's events to FILE, one JSON object per line")
    run.add_argument("--webhook", metavar="URL", help="POST the merchant's events there")
    line = run.add_mutually_exclusive_group()
    line.add_argument("--line-pty", action="store_true",
                      help="lead the terminal's line to a pseudo terminal for your own host")
    line.add_argument("--host-port", metavar="TTY",
                      help="lead the terminal's line to this serial port")
    line.add_argument("--connect", metavar="HOST:PORT",
                      help="ask your own acquirer there instead, over TCP")
    run.set_defaults(run=_run)
    demo = commands.add_parser(
        "demo", help="a scripted trading day; pictures, receipts, journal, ledger, trace")
    demo.add_argument("--out", type=Path, default=Path("build/demo"), help="default: build/demo")
    demo.add_argument("--quiet", action="store_true", help="no progress")
    demo.set_defaults(run=_demo)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    from host_tools.acquirer.notices import sinks
    from host_tools.bench.bench import WrongUse
    from host_tools.bench.boards import NoSuchBoard
    from host_tools.bench.console import Console
    from host_tools.bench.line import LineError
    from host_tools.bench.live import Live
    from host_tools.web.server import Page, PortTaken

    try:
        notices = sinks(args.notices, args.webhook, log.warning)
    except ValueError as error:
        raise UserError(str(error)) from error
    live = Live(lambda: _bench(args, notices))
    page = Page(live, args.page)
    try:
        live.start()
        greeting = ""
        if not args.no_page:
            page.start()
            greeting = f"page: {page.url}"
        if args.line_pty:
            view = live.view()
            port = view.status["leads_to"] if view is not None else ""
            greeting = f"line: {port} at 115200 baud  {greeting}".rstrip()
        Console(live, sys.stdout, greeting).run()
    except (NoMicroPython, NoSuchBoard, LineError, PortTaken, WrongUse) as error:
        raise UserError(str(error)) from error
    finally:
        page.stop()
        live.stop()
    return 0


def _bench(args: argparse.Namespace, notices: list[Sink]) -> Bench:
    from host_tools.bench.bench import Bench

    line = "pty" if args.line_pty else f"tcp:{args.connect}" if args.connect else args.host_port
    return Bench(args.board, args.seed, language=args.language, keep=args.keep, line=line,
                 amounts=args.amounts, notices=notices, state=args.state)


def _demo(args: argparse.Namespace) -> int:
    from host_tools.bench.demo import NotEmpty, play

    def progress(text: str) -> None:
        if not args.quiet:
            print(text, flush=True)

    try:
        index = play(args.out, progress)
    except (NoMicroPython, NotEmpty) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(
            f"cannot write to {error.filename}: {error.strerror}. Name a folder with --out."
        ) from error
    progress(f"Open {index}")
    return 0
