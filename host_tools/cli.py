"""The command line: `mobi COMMAND`. Each part of the project brings its own commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from host_tools import __version__


class UserError(Exception):
    """Something the user can mend; the text says what happened and what to do. Exit code 2."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
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
    """Run one command; its exit code: 0 good, 1 the thing asked about is not good, 2 wrong use."""
    top = parser()
    args, unknown = top.parse_known_args(argv)
    if "run" not in args:
        top.print_help(sys.stderr)
        return 2
    if unknown:
        # In the words of the command itself; argparse would show the usage of `mobi` alone.
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return args.run(args) or 0
    except UserError as error:
        print(f"mobi: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0  # the reader of our output has gone, as in `mobi journal dump ... | head`


if __name__ == "__main__":
    # As a script this module is called __main__: what the commands raise is of the real one.
    from host_tools.cli import main as real_main

    sys.exit(real_main())
