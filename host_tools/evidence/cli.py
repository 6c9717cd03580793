"""`mobi evidence`: make a bundle about one transaction, or check one."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from host_tools.acquirer.books import Books, DatabaseError
from host_tools.acquirer.ledger import Ledger
from host_tools.acquirer.trace import read_text
from host_tools.cli import UserError
from host_tools.evidence.bundle import PAGE, NotWritten, verify, write
from host_tools.evidence.collect import NothingFound, Sources, collect
from host_tools.journal.layout import SECTOR

_CUT = "- - -"  # how a saved paper text marks a cut


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evidence", help="all that is known about one transaction, as a page and as data",
        description="Collects what the terminal's journal, the host's books, the messages and " +
                    "the paper say about one transaction into a folder: a page to read, data " +
                    "for machines, and SHA-256 sums over both. Card numbers are masked.")
    parser.add_argument("trace", type=_number, nargs="?", metavar="TRACE",
                        help="the voucher number (凭证号) on its slip")
    parser.add_argument("--batch", type=_number, help="of an older batch (default: the newest)")
    parser.add_argument("--terminal", default="", metavar="TID",
                        help="the terminal's number, where the host serves several")
    parser.add_argument("--journal", type=Path, metavar="IMAGE", help="the terminal's flash image")
    parser.add_argument("--host-database", metavar="URL",
                        help="the host's books, for example sqlite:///mobi-host.sqlite")
    parser.add_argument("--trace", action="append", default=[], type=Path, metavar="FILE",
                        dest="traces", help="what `mobi host --trace` printed; several are allowed")
    parser.add_argument("--paper", action="append", default=[], type=Path, metavar="FILE",
                        help="what the printer printed, as text (paper.txt)")
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="a new or empty folder (default: evidence-BATCH-TRACE)")
    parser.add_argument("--language", choices=("zh", "en"), default="en", help="of the page")
    parser.add_argument("--verify", type=Path, metavar="FOLDER",
                        help="make nothing; check a bundle, exit code 1 when it was changed")
    parser.set_defaults(run=_run)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 999_999:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 999999")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    if args.verify is not None:
        return _verify(args.verify)
    if args.trace is None:
        raise UserError("Which transaction? Give the voucher number (凭证号) on its slip, or " +
                        "--verify FOLDER to check a bundle.")
    if args.journal is None and args.host_database is None:
        raise UserError("Where from? Name the terminal's flash image (--journal), the host's " +
                        "books (--host-database), or both.")
    try:
        sources = _sources(args)
        evidence, pictures = collect(
            sources, args.trace, args.batch, args.terminal, datetime.now(), args.language)
        folder = args.out or Path(f"evidence-{evidence['batch']:06d}-{args.trace:06d}")
        total = write(evidence, pictures, folder)
    except (NothingFound, NotWritten, DatabaseError) as error:
        raise UserError(str(error)) from error
    print(f"{folder / PAGE}")
    print(f"finding: {evidence['finding']['verdict']}")
    for text in evidence["finding"]["differences"]:
        print(f"  {text}")
    print(f"SHA-256 of its data: {total}")
    print("Note this number somewhere else; mobi evidence --verify shows whether it still holds.")
    return 0


def _verify(folder: Path) -> int:
    wrong = verify(folder)
    for text in wrong:
        print(text)
    if not wrong:
        print(f"{folder} is as it was written")
    return 1 if wrong else 0


def _sources(args: argparse.Namespace) -> Sources:
    sources = Sources()
    if args.journal is not None:
        sources.journal = _read(args.journal)
        if not sources.journal or len(sources.journal) % SECTOR:
            raise UserError(f"{args.journal} is no flash image: {len(sources.journal)} bytes are " +
                            f"not whole sectors of {SECTOR}. Save the flash region again.")
        sources.add_file("journal", args.journal.name, sources.journal)
    if args.host_database is not None:
        books = Books(args.host_database, create=False)
        try:
            with books.view() as db:
                sources.ledger = Ledger(db, lambda name: None)
        finally:
            books.close()
        sources.add_file("host", books.name)
    if args.traces:
        sources.messages = messages = []
        for path in args.traces:
            data = _read(path)
            found = read_text(data.decode("utf-8", "replace"))
            if not found:
                raise UserError(f"{path} holds no messages. A trace is what `mobi host --trace` " +
                                "prints.")
            messages += found
            sources.add_file("trace", path.name, data)
    for path in args.paper:
        data = _read(path)
        sources.receipts = [*sources.receipts,
                            *((slip, None) for slip in _slips(data.decode("utf-8", "replace")))]
        sources.add_file("paper", path.name, data)
    return sources


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _slips(text: str) -> list[str]:
    slips: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(_CUT):
            slips.append([])
        else:
            slips[-1].append(line)
    return ["\n".join(slip).strip("\n") for slip in slips]
