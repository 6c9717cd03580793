"""The command line: `mobi COMMAND`. Each part of the project brings its own commands."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from host_tools import __version__

# Everything else is imported under the eyes of ``main``, which knows what to do about Ctrl-C.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence


class UserError(Exception):
    """Something the user can mend; the text says what happened and what to do. Exit code 2."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    import argparse

    from host_tools import doctor, explain
    from host_tools.acquirer import cli as acquirer
    from host_tools.bench import cli as bench
    from host_tools.bench import fault_cli as faults
    from host_tools.evidence import cli as evidence
    from host_tools.flash import cli as flash
    from host_tools.journal import cli as journal
    from host_tools.measure import cli as measure

    top = argparse.ArgumentParser(
        prog="mobi", description="A card-payment terminal you can flash, emulate and break."
    )
    top.add_argument("--version", action="version", version=f"mobi {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    bench.add_parsers(commands)
    faults.add_parsers(commands)
    acquirer.add_parsers(commands)
    journal.add_parser(commands)
    evidence.add_parser(commands)
    flash.add_parser(commands)
    measure.add_parser(commands)
    doctor.add_parser(commands)
    explain.add_parser(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0 good, 1 the thing asked about is not good, 2 wrong use,
    130 Ctrl-C, 143 told to end."""
    try:
        with _told_to_end():
            return _main(argv)
    except UserError as error:
        print(f"mobi: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0  # the reader of our output has gone, as in `mobi journal dump ... | head`


def _main(argv: Sequence[str] | None) -> int:
    top = parser()
    args, unknown = top.parse_known_args(argv)
    if "run" not in args:
        top.print_help(sys.stderr)
        return 2
    if unknown:
        # In the words of the command itself; argparse would show the usage of `mobi` alone.
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return args.run(args) or 0


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    # SIGTERM and a closed terminal window unwind the stack as Ctrl-C does, so that temporary
    # folders go and processes end. Signals are the main thread's alone.
    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(one) is not signal.SIG_IGN  # nohup
        }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


if __name__ == "__main__":
    # As a script this module is called __main__: what the commands raise is of the real one.
    from host_tools.cli import main as real_main

    sys.exit(real_main())
