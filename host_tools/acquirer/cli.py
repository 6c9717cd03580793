"""`mobi host` and `mobi gateway`: the acquirer, or somebody else's, at the end of a real line."""

from __future__ import annotations

import argparse
import signal
from datetime import datetime
from pathlib import Path

from host_tools.acquirer import cards, rules
from host_tools.acquirer.books import DatabaseError
from host_tools.acquirer.case import Policy, Terminal
from host_tools.acquirer.config import Config, ConfigError, load
from host_tools.acquirer.gateway import Gateway
from host_tools.acquirer.host import TEST_TERMINAL, Acquirer
from host_tools.acquirer.lines import BAUD, LineClosed, host_port
from host_tools.acquirer.loop import Loop
from host_tools.acquirer.notices import Courier, sinks
from host_tools.acquirer.server import IDLE_S, Server
from host_tools.cli import UserError

DATABASE = "sqlite:///mobi-host.sqlite"


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two commands; each sets ``run`` to a function of the arguments."""
    host = subparsers.add_parser(
        "host", help="the acquirer, for terminals on serial ports or TCP",
        description="Answers terminals: sign-on, balance, sale, void, refund, reversal, " +
                    "settlement, with its own books and test cards. Ends with Ctrl-C.")
    lines = host.add_argument_group("lines (at least one)")
    lines.add_argument("--port", action="append", default=[], metavar="TTY",
                       help="serial port with a terminal on it; may be given several times")
    lines.add_argument("--baud", type=int, default=BAUD, help="of serial ports (%(default)s)")
    lines.add_argument("--listen", metavar="HOST:PORT",
                       help="TCP, messages behind a two-byte big-endian length")
    lines.add_argument("--idle", type=_seconds, default=IDLE_S, metavar="SECONDS",
                       help="end a TCP connection on which nothing came for so long; 0: never " +
                            "(%(default)s)")
    books = host.add_argument_group("books")
    books.add_argument("--database", default=DATABASE, metavar="URL",
                       help="SQLAlchemy URL, sqlite:// for memory (%(default)s)")
    books.add_argument("--config", type=Path, metavar="FILE",
                       help="terminals, cards, policy and rules (JSON or TOML)")
    books.add_argument("--terminal", action="append", default=[], metavar="TID[:MID]",
                       help="register a further terminal, with the test master key")
    books.add_argument("--fee", type=int, metavar="BP", help="merchant fee in 1/10000 (0)")
    books.add_argument("--no-status-query", action="store_true",
                       help="answer the status query with 40, as most hosts do")
    books.add_argument("--seed", type=int, help="make keys reproducible (default: random)")
    faults = host.add_argument_group("faults")
    faults.add_argument("--rules", type=Path, metavar="FILE", help="fault rules (JSON or TOML)")
    faults.add_argument("--personality", metavar="NAME", default="honest",
                        help=", ".join(f"{name}: {text}" for name, text in rules.personalities()))
    faults.add_argument("--no-magic", action="store_true",
                        help="treat magic amounts (see --amounts) as any other amount")
    out = host.add_argument_group("what it tells")
    out.add_argument("--trace", action="store_true", help="show every message, decoded and masked")
    out.add_argument("--notices", type=Path, metavar="FILE",
                     help="append merchant events to FILE, one JSON object per line")
    out.add_argument("--webhook", metavar="URL", help="POST merchant events there")
    out.add_argument("--amounts", action="store_true", help="print the magic amounts and stop")
    out.add_argument("--cards", action="store_true", help="print the test cards and stop")
    host.set_defaults(run=run_host)

    gateway = subparsers.add_parser(
        "gateway", help="carry a terminal's messages to your own acquirer over TCP",
        description="Takes the inner messages (TPDU, header, ISO 8583) off a terminal's serial " +
                    "line and carries them to an acquirer behind a two-byte big-endian length, " +
                    "and the answers back. Ends with Ctrl-C.")
    gateway.add_argument("--port", action="append", required=True, metavar="TTY",
                         help="serial port with a terminal on it; may be given several times")
    gateway.add_argument("--baud", type=int, default=BAUD, help="(%(default)s)")
    gateway.add_argument("--connect", required=True, metavar="HOST:PORT", help="the acquirer")
    gateway.set_defaults(run=run_gateway)


def run_host(args: argparse.Namespace) -> int:
    """`mobi host`: 0 after Ctrl-C; ``UserError`` when it cannot begin."""
    if args.amounts or args.cards:
        print(rules.amounts_table() if args.amounts else cards.table())
        return 0
    if not args.port and not args.listen:
        raise UserError("Where are the terminals? Say --port /dev/tty... or " +
                        "--listen 127.0.0.1:8583")
    where = address(args.listen) if args.listen else None
    acquirer = make_acquirer(args)
    try:
        courier = _courier(acquirer, args)
        server = Server(acquirer, _say, settled=_Told(acquirer, args.trace, courier),
                        idle_s=args.idle)
        _serve_ports(server, args)
        if where is not None:
            _listen(server, *where)
        _say(f"books in {acquirer.database}; Ctrl-C ends")
        if courier is not None:
            courier.start()
        _run(server)
        if courier is not None:
            courier.stop()
    finally:
        acquirer.close()
    return 0


def _courier(acquirer: Acquirer, args: argparse.Namespace) -> Courier | None:
    try:
        found = sinks(args.notices, args.webhook, _say)
    except ValueError as error:
        raise UserError(str(error)) from None
    return Courier(acquirer, found, _say) if found else None


def _listen(server: Server, host: str, port: int) -> None:
    try:
        host, port = server.listen(host, port)
    except OSError as error:
        server.close()
        raise UserError(f"Cannot listen on {host}:{port}: {error.strerror or error}. Take " +
                        "another port, or stop what uses this one.") from None
    _say(f"listening on {host}:{port}")


def make_acquirer(args: argparse.Namespace) -> Acquirer:
    """An acquirer as the arguments of `mobi host` ask for it; ``UserError`` if that fails."""
    try:
        config = load(args.config) if args.config else Config()
        policy = config.policy
        if args.fee is not None or args.no_status_query:
            policy = Policy(
                **{**policy.__dict__,
                   **({} if args.fee is None else {"fee_bp": args.fee}),
                   **({"status_query": False} if args.no_status_query else {})})
        faults = [*config.rules, *(load(args.rules).rules if args.rules else ())]
        rules.personality(args.personality)
        acquirer = Acquirer(
            args.database, args.seed, policy=policy, amounts=not args.no_magic,
            terminals=[TEST_TERMINAL, *config.terminals, *map(_terminal, args.terminal)],
            cards=[*cards.TEST_CARDS, *config.cards], notices=bool(args.notices or args.webhook))
        acquirer.personality(args.personality)
        acquirer.rules += faults
    except (ConfigError, DatabaseError, ValueError) as error:
        raise UserError(str(error)) from None
    return acquirer


def run_gateway(args: argparse.Namespace) -> int:
    """`mobi gateway`: 0 after Ctrl-C; ``UserError`` when it cannot begin."""
    gateway = Gateway(*address(args.connect), _say)
    _serve_ports(gateway, args)
    _run(gateway)
    return 0


def address(text: str) -> tuple[str, int]:
    """"HOST:PORT" taken apart; ``UserError`` if it is not that."""
    try:
        return host_port(text)
    except ValueError as error:
        raise UserError(str(error)) from None


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(text)


def _terminal(text: str) -> Terminal:
    number, _, merchant = text.partition(":")
    return Terminal(number, merchant or TEST_TERMINAL.merchant, TEST_TERMINAL.tmk)


def _serve_ports(loop: Loop, args: argparse.Namespace) -> None:
    for path in args.port:
        try:
            loop.serial(path, args.baud)
        except LineClosed as error:
            loop.close()
            raise UserError(f"{error}. Is the terminal plugged in, is the name right, does " +
                            "another program use the port, may you use it (group dialout)?"
                            ) from None
        _say(f"serving {path} at {args.baud} baud")


def _run(loop: Loop) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    try:
        loop.run()
    except KeyboardInterrupt:
        loop.close()
    finally:
        signal.signal(signal.SIGTERM, before)
    _say("ended")


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


class _Told:
    # After each group of messages: show the trace if asked, wake the courier.
    def __init__(self, acquirer: Acquirer, show: bool, courier: Courier | None):
        self._acquirer = acquirer
        self._show = show
        self._courier = courier
        self._seen = 0

    def __call__(self) -> None:
        if self._courier is not None:
            self._courier.poke()
        if self._show:
            for entry in self._acquirer.trace.since(self._seen):
                print(entry.text(), flush=True)
            self._seen = self._acquirer.trace.count
