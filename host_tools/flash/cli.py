"""`mobi flash`: puts the firmware on a board, gives it its numbers and keys, and checks both."""

from __future__ import annotations

import argparse
import calendar
import contextlib
import getpass
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from host_tools.cli import UserError
from host_tools.flash import deploy, image, put, uf2
from host_tools.flash.console import Console, ConsoleError, RemoteError
from host_tools.flash.terminal import Identity, RemoteTerminal, State
from host_tools.places import ROOT

EXAMPLE = {
    "terminal": "00000001",
    "merchant": "123456789012345",
    "merchant_name": "末笔便利店",
    "tpdu": "6000030000",
    "service_phone": "95516",
    "language": 0,
}
_EPOCH_2000 = 946684800


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this part."""
    flash = commands.add_parser(
        "flash", help="put the firmware on a board, provision it, verify both",
        description="Puts the image of `make uf2` on a Raspberry Pi Pico, gives the terminal its "
        + "numbers and keys, and reads back what is there. The journal is never touched, except "
        + "by --wipe-journal after a typed confirmation.",
    )
    what = flash.add_argument_group("what to do (default: image, then verify)")
    what.add_argument("--image", type=Path, default=image.OUT, help="default: %(default)s")
    what.add_argument("--no-image", action="store_true", help="leave the firmware as it is")
    what.add_argument(
        "--stock", metavar="BOARD", help="copy .mpy files to a board with stock MicroPython "
        + "instead; BOARD: a folder of boards/, such as esp32",
    )
    what.add_argument(
        "--provision", type=Path, metavar="FILE", help="parameters as JSON; see --example"
    )
    what.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="values")
    what.add_argument("--wipe-journal", action="store_true", help="also if it holds transactions")
    what.add_argument("--example", action="store_true", help="print an example for --provision")
    where = flash.add_argument_group("where the board is")
    where.add_argument("--port", help="its console; default: the one Pico that is plugged in")
    where.add_argument("--drive", type=Path, help="the drive of its bootloader")
    where.add_argument("--target", default="", help="folder on a stock board; default: its root")
    where.add_argument(
        "--patience", type=float, default=10.0, help="seconds a board may be silent (%(default)s)"
    )
    where.add_argument(
        "--backup", type=Path, default=Path(), help="folder for journals before they are wiped"
    )
    flash.set_defaults(run=_flash)


def _say(text: str) -> None:
    print(text, flush=True)


def _flash(args: argparse.Namespace) -> int:
    if args.example:
        print(json.dumps(EXAMPLE, indent=1, ensure_ascii=False))
        return 0
    options = _options(args)
    try:
        return _work(args, options)
    except ConsoleError as error:
        raise UserError(str(error)) from error
    except RemoteError as error:
        raise UserError(
            f"the board stopped with an error: {error}\n{error.traceback}\nNothing was "
            + "provisioned. Is the image of this version on it? mobi flash puts it there."
        ) from error


def _options(args: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if args.provision is not None:
        try:
            options = json.loads(args.provision.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{args.provision} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise UserError(f"{args.provision} is no JSON: {error}. See --example") from error
        if not isinstance(options, dict):
            raise UserError(f"{args.provision} must hold one JSON object. See --example")
        if "tmk" in options and args.provision.stat().st_mode & 0o077:
            _say(f"note: {args.provision} holds a key and others may read it: chmod 600")
    for pair in args.values:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: NAME=VALUE is wanted")
        if name == "tmk":
            raise UserError("a key on the command line can be seen by others: put it in the file "
                            + "of --provision, or leave it out and type it when asked")
        options[name] = value
    tmk = options.get("tmk")
    if tmk is not None and not _is_key(tmk):
        raise UserError("tmk: 32 hexadecimal digits are wanted")
    return options


def _is_key(text: object) -> bool:
    if not isinstance(text, str) or len(text) != 32:
        return False
    return all(digit in "0123456789abcdefABCDEF" for digit in text)


def _work(args: argparse.Namespace, options: dict[str, Any]) -> int:
    port = args.port or _only_port(args)
    if args.stock:
        _deploy(args, port)
    elif not args.no_image:
        how = put.put(args.image, args.drive, port, args.patience)
        _say(f"image {args.image.name} {how}")
    if port is None:
        put.wait_for(put.ports, args.patience)
        port = _only_port(args)
        if port is None:
            raise UserError(
                "the image is on the board, but its console has not appeared. Unplug it, plug it "
                + "in again, and verify with: mobi flash --no-image"
            )
    with Console(port, args.patience) as console:
        terminal = RemoteTerminal(console)
        identity = terminal.identify()
        _say(f"{identity.machine}: MicroPython {identity.micropython}, Mobi {identity.version}")
        if identity.version is None:
            raise UserError("there is no Mobi on this board; mobi flash puts it there")
        terminal.enter_service()
        try:
            _serve(args, terminal, identity, options)
        finally:
            with contextlib.suppress(ConsoleError):
                terminal.restart()
    _say("the terminal has been started")
    return 0


def _serve(
    args: argparse.Namespace, terminal: RemoteTerminal, identity: Identity, options: dict[str, Any]
) -> None:
    # On the service console: look, verify, and change what was asked for.
    board = terminal.open_board()
    _say(f"self-test good: {board['board']}, serial number {board['serial']}")
    if not args.stock and not args.no_image:
        _verify_image(terminal, args.image)
    state = terminal.state()
    _say(_describe(state))
    if args.wipe_journal:
        _wipe(terminal, state, options, args.backup)
        state = terminal.state()
    if options or args.wipe_journal:
        _provision(terminal, identity, state, options)


def _only_port(args: argparse.Namespace) -> str | None:
    found = put.ports()
    if len(found) > 1:
        raise UserError(f"several boards are plugged in: {', '.join(found)}. Name one: --port")
    if not found and args.no_image:
        raise UserError("no Pico's console is here. Plug it in, or name the port: --port")
    return found[0] if found else None


def _deploy(args: argparse.Namespace, port: str | None) -> None:
    modules = ROOT / "boards" / args.stock / "modules"
    if not (modules / "board.py").exists():
        found = sorted(p.parents[1].name for p in (ROOT / "boards").glob("*/modules/board.py"))
        raise UserError(f"there is no boards/{args.stock}; there are {', '.join(found)}")
    if port is None:
        raise UserError("a stock board is reached over its console: --port")
    with Console(port, args.patience) as console:
        identity = RemoteTerminal(console).identify()
    deploy.check(identity)
    with tempfile.TemporaryDirectory(prefix="mobi-mpy-") as temporary:
        size = deploy.compile_to(Path(temporary), modules, deploy.processor(identity))
        _say(f"{size:,} bytes of .mpy for {identity.machine}")
        deploy.copy(Path(temporary), port, args.target, _say)


def _verify_image(terminal: RemoteTerminal, path: Path) -> None:
    flash = uf2.flash_image(path.read_bytes())
    want = hashlib.sha256(flash).hexdigest()
    got = terminal.digest(uf2.FLASH_BASE, len(flash))
    if got != want:
        raise UserError(
            f"the board's flash reads back differently ({got[:16]}, not {want[:16]}). Flash it "
            + "again; when it stays so, the chip is worn out. The journal was not touched."
        )
    _say(f"read back: all {len(flash):,} bytes are as in {path.name}")


def _describe(state: State) -> str:
    who = f"terminal {state.terminal}" if state.terminal else "not provisioned"
    key = f", master key {state.kcv}" if state.kcv else ""
    money = f"batch {state.batch} with {state.count} transactions, {state.unfinished} unfinished"
    return f"{who}{key}; journal {state.verdict}" + (f", {money}" if state.usable else "")


def _wipe(
    terminal: RemoteTerminal, state: State, options: dict[str, Any], folder: Path
) -> None:
    # The numbers go on where they were: the acquirer must not see one twice.
    if state.usable:
        options.setdefault("batch", state.batch)
        options.setdefault("trace", state.next_trace)
    if state.verdict == "empty":
        _say("the journal is empty: nothing to wipe")
        return
    stamp = time.strftime("%Y%m%d-%H%M%S")
    backup = folder / f"mobi-journal-{state.terminal or 'blank'}-{stamp}.bin"
    data = terminal.read_journal()
    descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    _say(f"the journal as it is was saved to {backup}; mobi journal dump reads it")
    if state.holds_money:
        _say(
            "This journal holds transactions that were not settled. Wiping it loses their "
            + "reversals, totals and slips: the acquirer may keep money that nobody can claim. "
            + "The safe way is to settle first."
        )
    word = state.terminal or "WIPE"
    if _typed(f"Type {word} to wipe the journal: ") != word:
        raise UserError("the journal was not wiped; nothing was changed")
    terminal.wipe_journal()
    _say("journal wiped")


def _typed(prompt: str) -> str:
    print(prompt, end="", flush=True)
    return sys.stdin.readline().strip()


def _provision(
    terminal: RemoteTerminal, identity: Identity, state: State, options: dict[str, Any]
) -> None:
    if state.holds_money:
        raise UserError(
            f"the journal is {state.verdict} and holds {state.count} transactions of batch "
            + f"{state.batch}, {state.unfinished} unfinished: nothing was changed. Settle on the "
            + "terminal first. A journal that can be given up: --wipe-journal"
        )
    if "tmk" not in options and not state.kcv:
        key = getpass.getpass("Master key (TMK), 32 hexadecimal digits: ").strip()
        if not _is_key(key):
            raise UserError("32 hexadecimal digits are wanted; nothing was changed")
        options["tmk"] = key
    # The terminal's clock is local time.
    options.setdefault("now", calendar.timegm(time.localtime()) - _EPOCH_2000)
    check = terminal.provision(options)
    after = terminal.state()
    if not after.usable or (options.get("terminal") or after.terminal) != after.terminal:
        raise UserError(f"the terminal reads back differently: {_describe(after)}. Repeat it.")
    _say(f"provisioned: {_describe(after)}; key check value {check}")
