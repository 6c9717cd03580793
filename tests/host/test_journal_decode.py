"""The decoder of images: it stands on its own, agrees with the firmware, and survives any bytes."""

from __future__ import annotations

import ast
import random
from binascii import crc32

import pytest
from journal_chip import Cipher, Nor, PowerCut, again, approve, complete, fresh, sale

from host_tools.journal import decode, layout
from host_tools.journal.vault import decode_vault
from host_tools.places import ROOT
from mobi import transactions as tx
from mobi.journal.log import Journal

SECTOR = 4096


def test_it_shares_nothing_with_the_firmware():
    for path in (ROOT / "host_tools" / "journal").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.split(".")[0] == "mobi" for name in names), path.name


def journal_of_a_day():
    journal, nor = fresh(6)
    for n in range(30):
        complete(journal, amount=100 + n, extra=bytes(60))
        journal.idle()
        if n == 9:
            journal.settle(2, b"sums")
    void = sale(129, kind=tx.VOID, original_trace=30, original_batch=2)
    journal.begin(void)
    approve(journal, void)
    due = sale(7)
    journal.begin(due)
    due.reason = "98"
    journal.mark(due, tx.REVERSE)
    return journal, nor


def test_it_says_what_the_firmware_says():
    journal, nor = journal_of_a_day()
    seen = decode(bytes(nor.mem))
    assert seen.verdict == "clean" and not seen.torn and not seen.damage
    mine = [journal.at_last(i) for i in range(journal.last_count)]
    mine += [journal.at(i) for i in range(journal.count)]
    pairs = zip(seen.transactions[-len(mine) :], mine, strict=True)
    for theirs, txn in pairs:
        assert theirs.kind == tx.KIND_NAMES[txn.kind]
        assert theirs.state == tx.STATE_NAMES[txn.state]
        for name in ("trace", "batch", "amount", "rrn", "auth", "code", "masked_pan", "printed",
                     "original_trace", "reason", "operator", "settle_date"):  # fmt: skip
            assert getattr(theirs, name) == getattr(txn, name), name
        assert [event for event, _ in theirs.history] == [
            next(word for word, number in vars(tx).items() if number == event and word in EVENTS)
            .lower()
            for event, _ in journal.history(txn)
        ]
    sums = journal.totals()
    assert seen.totals == {
        "sale": (sums.sale_count, sums.sale_amount),
        "void": (sums.void_count, sums.void_amount),
        "refund": (sums.refund_count, sums.refund_amount),
    }
    assert [t.amount for t in seen.unfinished] == [7]
    assert [s.batch for s in seen.settlements] == [1]


EVENTS = ("BEGIN", "APPROVE", "DECLINE", "REVERSE", "ATTEMPT", "UNDONE", "LOSE", "RELEASE", "DROP",
          "PRINT", "DOUBT")  # fmt: skip


def test_wear_is_that_of_the_chip():
    journal, nor = fresh(6)
    for batch in range(2, 9):
        for _ in range(20):
            complete(journal, extra=bytes(100))
            while journal.idle():
                pass
        journal.settle(batch)
    wear = decode(bytes(nor.mem)).wear
    for sector, count in enumerate(wear):
        # A format counts an erase of a sector that was blank already.
        assert count is None or 0 <= count - nor.wear[sector] <= 1, sector
    assert sum(count is not None for count in wear) >= 4


def test_every_start_up_is_seen():
    journal, nor = fresh()
    complete(journal)
    for n in range(1, 5):
        again(nor)
        seen = decode(bytes(nor.mem))
        assert seen.start_ups == n and seen.verdict == "clean" and not seen.torn


def test_what_a_power_cut_tore_is_no_damage_after_the_next_start_up():
    journal, nor = fresh()
    for n in range(1, 4):
        complete(journal)
        nor.cut_after(0, mode="bits")
        with pytest.raises(PowerCut):
            journal.begin(sale(5))
        nor.revive()
        assert decode(bytes(nor.mem)).verdict == "repaired"
        journal, _ = again(nor)
        seen = decode(bytes(nor.mem))
        assert seen.verdict == "clean" and not seen.damage and len(seen.torn) == n
        assert len(seen.transactions) == n and seen.start_ups == n


def test_a_bit_anywhere_is_mended_or_told_or_at_the_end():
    _, nor = journal_of_a_day()
    image = bytes(nor.mem)
    whole = decode(image)
    head = whole.chain[-1]
    rng = random.Random(3)
    used = [at for at in range(len(image)) if image[at] != 0xFF and at // SECTOR in whole.chain]
    for at in rng.sample(used, 400):
        spoiled = bytearray(image)
        spoiled[at] ^= 1 << rng.randrange(8)
        seen = decode(bytes(spoiled))
        same = list(map(str, seen.transactions)) == list(map(str, whole.transactions))
        if seen.verdict == "clean":
            assert same, at
        elif seen.verdict == "repaired":  # taken for a record that was not finished
            assert at >= head * SECTOR
        else:
            assert seen.verdict == "damaged" and seen.damage, at
        known = {(t.trace, t.amount) for t in whole.transactions}
        assert {(t.trace, t.amount) for t in seen.transactions} <= known


def test_a_checkpoint_that_lies_is_told():
    _, nor = journal_of_a_day()
    image = bytearray(nor.mem)
    seen = decode(bytes(image))
    begin = seen.chain[-1] * SECTOR
    a, b = image[begin + 4], image[begin + 5]
    image[begin + 29] ^= 1  # the ordinal of the next transaction, with the right CRC
    image[begin + a - 4 : begin + a] = crc32(image[begin : begin + a - 4]).to_bytes(4, "little")
    seen = decode(bytes(image))
    assert seen.verdict == "damaged" and "says ordinal" in seen.damage[0]
    image[begin + a] ^= 1  # the checkpoint without it
    seen = decode(bytes(image))
    assert any("no readable checkpoint" in text for text in seen.damage)
    assert b


@pytest.mark.parametrize("name, image", [
    ("empty", b"\xff" * SECTOR * 4), ("foreign", bytes(SECTOR * 4)), ("empty", b""),
    ("foreign", random.Random(1).randbytes(SECTOR * 16)),
    ("version", b"MoJ\x07" + b"\xff" * (SECTOR * 4 - 4)),
], ids=["blank", "zero", "nothing", "random", "version"])  # fmt: skip
def test_what_is_no_journal(name, image):
    seen = decode(image)
    assert seen.verdict == name and not seen.transactions and not seen.records


def test_it_never_raises():
    _, nor = journal_of_a_day()
    rng = random.Random(5)
    for _ in range(150):
        image = bytearray(nor.mem)
        for _ in range(rng.randrange(1, 6)):
            at, size = rng.randrange(len(image)), rng.choice((1, 30, 256, 5000))
            image[at : at + size] = rng.choice((rng.randbytes(size), bytes(size)))
        image = image[: rng.choice((len(image), rng.randrange(len(image))))]
        seen = decode(bytes(image))
        assert seen.verdict in ("clean", "repaired", "damaged", "empty", "foreign", "version")
        decode_vault(bytes(image))


def test_the_crc_binds_a_record_to_its_place():
    journal, nor = fresh()
    complete(journal)
    seen = decode(bytes(nor.mem))
    head = seen.sectors[seen.chain[0]].head
    record = next(r for r in seen.records if r.kind == 1)
    data = bytes(nor.mem[:SECTOR])
    assert layout.frame(data, record.offset, head.seed) == (1, record.payload)
    moved = data[:1] + data  # one byte further
    assert layout.frame(moved, record.offset + 1, head.seed) is None
    assert layout.frame(data, record.offset, layout.seed_of(head.sequence + 1, 1)) is None


def test_the_firmware_and_the_decoder_mend_the_same_heads():
    _, nor = journal_of_a_day()
    image = bytes(nor.mem)
    for bit in range(0, 8 * 64, 5):
        spoiled = bytearray(image)
        spoiled[decode(image).chain[1] * SECTOR + (bit >> 3)] ^= 1 << (bit & 7)
        journal = Journal(Nor(len(image), image=bytes(spoiled)), 1, Cipher())
        verdict = journal.mount()
        seen = decode(bytes(spoiled))
        count = sum(t.batch == journal.batch for t in seen.transactions)
        found = sum(journal.at(i) is not None for i in range(journal.count))
        assert count == found, (bit, verdict.text, seen.verdict)
