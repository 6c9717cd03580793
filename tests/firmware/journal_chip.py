"""The NOR model and a stand-in cipher for tests of the journal; the model is the bench's own."""

import gc
import sys

ROOT = __file__.replace("\\", "/").rsplit("/", 3)[0]
if not ROOT.startswith("/"):
    ROOT = "."
sys.path.append(ROOT + "/host_tools/bench")

from nor import MODES, Nor, PowerCut, Random, RuleBroken  # noqa: E402, F401

from mobi import transactions as tx  # noqa: E402
from mobi.journal.log import Journal  # noqa: E402


class Cipher:
    """Reversible, keyed, and nothing else: AES is tested where the keys are."""

    def __init__(self, key=0x5A):
        self.key = key

    def encrypt(self, block):
        return bytes(b ^ self.key for b in block)

    decrypt = encrypt


# One chip at a time is all that fits the heap of a board: taken before the heap is fragmented.
_CELLS = bytearray(65536) if sys.implementation.name == "micropython" else None


def chip(sectors=16, **options):
    """A NOR chip. Under MicroPython the one before it is gone."""
    gc.collect()
    if sectors != 16:
        return Nor(sectors * 4096, **options)
    return Nor(65536, cells=_CELLS, **options)


def fresh(sectors=16, unit=1, seed=1, **options):
    """A formatted journal and its chip."""
    nor = chip(sectors, unit=unit, seed=seed, **options)
    journal = Journal(nor, unit, Cipher())
    journal.format(1, 1)
    return journal, nor


def again(nor, unit=1):
    """Power back: a new journal on the same chip, mounted; and its verdict."""
    nor.revive()
    journal = Journal(nor, unit, Cipher())
    return journal, journal.mount()


def sale(amount=100, kind=tx.SALE, **fields):
    """A transaction ready to begin."""
    txn = tx.Transaction(kind)
    txn.amount = amount
    txn.pan = "6222021234567890128"
    txn.time = 800000000 + amount
    txn.operator = 1
    for name, value in fields.items():
        setattr(txn, name, value)
    return txn


def approve(journal, txn, code="00"):
    """The host approved it."""
    txn.code = code
    txn.rrn = f"{txn.trace + 5000:012d}"
    txn.auth = f"A{txn.trace:05d}"
    txn.host_time = "1122093015"
    txn.settle_date = "1122"
    txn.institutions = b"01020000   03050000   "
    journal.mark(txn, tx.APPROVE)


def complete(journal, **fields):
    """A whole sale, two receipts."""
    txn = sale(**fields)
    journal.begin(txn)
    approve(journal, txn)
    for bit in (1, 2):
        txn.printed |= bit
        journal.mark(txn, tx.PRINT)
    return txn
