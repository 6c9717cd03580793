"""A terminal at the other end of a console: what is on it, its journal, its provisioning.

Everything is asked of the board itself through MicroPython's raw REPL; the answers are lines of
JSON. The terminal does not run meanwhile: a Pico is restarted into its service console, where no
watchdog waits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from host_tools.acquirer.security import kcv
from host_tools.cli import UserError
from host_tools.flash.console import Console, ConsoleError, RemoteError

# How long the slowest single step takes on a board: erasing 64 sectors, hashing half a megabyte.
_SLOW = 6.0  # times the patience
_JOURNAL_CHUNK = 1024

_IDENTIFY = """
import sys, json, gc
gc.collect()
try:
    import mobi
    version = mobi.VERSION
except ImportError:
    version = None
frozen = version is not None and not "/" in (getattr(mobi, "__file__", "/") or "/")[:1]
print(json.dumps({
    "machine": getattr(sys.implementation, "_machine", sys.platform),
    "micropython": ".".join(str(n) for n in sys.implementation.version[:3]),
    "platform": sys.platform, "mpy": getattr(sys.implementation, "_mpy", 0),
    "heap_free": gc.mem_free(), "version": version, "frozen": frozen,
}))
"""
_OPEN = """
import board, json
B = board.open()
print(json.dumps({"board": B.name, "serial": "".join("%02x" % b for b in bytes(B.serial))}))
"""
_STATE = """
from mobi.journal.log import Journal
from mobi.journal.vault import Vault
from mobi.keys import Keys
from mobi.settings import Settings
v = Vault(B.vault_flash, B.flash_unit)
found = v.mount()
k = Keys(v, B.random)
j = Journal(B.journal_flash, B.flash_unit, k)
d = j.mount()
a = {"vault": found, "verdict": d.name, "usable": bool(d.usable), "count": 0, "unfinished": 0,
     "batch": 1, "next_trace": 1, "terminal": "", "kcv": ""}
if d.usable:
    a.update(count=j.count, unfinished=len(j.unfinished()), batch=j.batch, next_trace=j.next_trace)
if found != Vault.EMPTY:
    a["terminal"] = Settings(v).get("terminal")
    if k.tmk:
        a["kcv"] = k.master_kcv()
print(json.dumps(a))
del v, k, j, d
"""
_DIGEST = """
import hashlib, uctypes
h = hashlib.sha256()
for at in range(0, {size}, 4096):
    h.update(uctypes.bytearray_at({base} + at, min(4096, {size} - at)))
print("".join("%02x" % b for b in h.digest()))
"""
_READ = """
from binascii import hexlify
p = bytearray({chunk})
for at in range(0, B.journal_flash.ioctl(4, 0) * 4096, {chunk}):
    B.journal_flash.readblocks(at // 4096, p, at % 4096)
    print(hexlify(p).decode())
"""
_WIPE = """
for n in range(B.journal_flash.ioctl(4, 0)):
    B.journal_flash.ioctl(6, n)
print("wiped")
"""
_PROVISION = """
from mobi.provision import provision
print(provision(B, json.loads({options!r})))
"""


@dataclass(frozen=True)
class Identity:
    """What answers on the console. ``version`` None: there is no Mobi on it."""

    machine: str
    micropython: str
    platform: str
    mpy: int
    heap_free: int
    version: str | None
    frozen: bool


@dataclass(frozen=True)
class State:
    """The terminal's journal and vault. ``unfinished`` of the ``count`` transactions are open."""

    vault: int
    verdict: str
    usable: bool
    count: int
    unfinished: int
    batch: int
    next_trace: int
    terminal: str
    kcv: str

    @property
    def holds_money(self) -> bool:
        """Must nothing be wiped without asking? True unless it is certainly empty."""
        return self.verdict != "empty" and (not self.usable or self.count + self.unfinished > 0)


class NotProvisioned(UserError):
    """The terminal refused; the text says why and what to do."""


class RemoteTerminal:
    """The terminal at ``console``, which is open."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def identify(self) -> Identity:
        """What is it?"""
        return Identity(**self._ask(_IDENTIFY))

    def enter_service(self) -> None:
        """Leave the terminal for the service console, where nothing is in a hurry."""
        has_one = self.console.run(
            "try:\n    import board\n    print(hasattr(board, 'service'))\nexcept ImportError:\n"
            + "    print(False)"
        )
        if has_one.strip() == "True":
            self.console.start("import board; board.service()")
            self._again()

    def restart(self) -> None:
        """Start the terminal; the console is gone afterwards."""
        self.console.start("import machine; machine.reset()")
        self.console.close()

    def _again(self) -> None:
        self.console.close()
        time.sleep(0.5)
        end = time.monotonic() + max(self.console.patience, 5.0)
        while True:
            try:
                self.console.open()
                return
            except ConsoleError:
                if time.monotonic() > end:
                    raise
                self.console.close()

    def open_board(self) -> dict[str, str]:
        """Set the hardware up; that includes the board's self-test. Its name and serial number."""
        answer: dict[str, str] = self._ask(_OPEN)
        return answer

    def state(self) -> State:
        """Journal and vault, as the firmware finds them."""
        return State(**self._ask(_STATE))

    def digest(self, base: int, size: int) -> str:
        """SHA-256 of the board's memory from ``base`` on, in hexadecimal."""
        text = self._run(_DIGEST.format(base=base, size=size))
        return text.strip()

    def read_journal(self) -> bytes:
        """The journal's flash, byte for byte."""
        return bytes.fromhex(self._run(_READ.format(chunk=_JOURNAL_CHUNK)).replace("\n", ""))

    def wipe_journal(self) -> None:
        """Erase the journal. What is in it is gone."""
        if self._run(_WIPE).strip() != "wiped":
            raise ConsoleError("the journal was not wiped; nothing else was done")

    def provision(self, options: dict[str, Any]) -> str:
        """Give the terminal its parameters; the check value of its master key, in hexadecimal."""
        sent = dict(options)
        if "merchant_name" in sent:
            sent["merchant_name"] = str(sent["merchant_name"]).encode("gbk").hex()
        try:
            got = self._run(_PROVISION.format(options=json.dumps(sent))).strip()
        except RemoteError as error:
            if error.name.rpartition(".")[2] in ("Refused", "BadValue", "KeyError", "ValueError"):
                raise NotProvisioned(f"the terminal refused: {error.message}") from error
            raise
        want = kcv(bytes.fromhex(options["tmk"])).hex().upper() if "tmk" in options else got
        if got != want:
            raise NotProvisioned(
                f"the master key arrived wrongly: check value {got}, not {want}. Repeat the command"
            )
        return got

    def _ask(self, code: str) -> Any:
        return json.loads(self._run(code).strip().splitlines()[-1])

    def _run(self, code: str) -> str:
        return self.console.run(code, self.console.patience * _SLOW)
