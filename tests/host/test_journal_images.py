"""Images of every released format in tests/host/images: firmware and decoder still load them."""

from __future__ import annotations

import gzip
import json

import pytest

from host_tools.journal import decode
from host_tools.journal.vault import decode_vault
from mobi import transactions as tx
from mobi.journal.log import REPAIRED, Journal
from mobi.journal.vault import Vault
from tests.host.released_images import FIELDS, IMAGES, Cipher, Nor, what

JOURNALS = sorted(path.name.removesuffix(".bin.gz") for path in IMAGES.glob("journal-*.bin.gz"))
VAULTS = sorted(path.name.removesuffix(".bin.gz") for path in IMAGES.glob("vault-*.bin.gz"))


def load(name):
    image = gzip.decompress((IMAGES / f"{name}.bin.gz").read_bytes())
    return image, json.loads((IMAGES / f"{name}.json").read_text(encoding="utf-8"))


def test_there_are_images():
    assert {"journal-v1-unit1", "journal-v1-unit256"} <= set(JOURNALS) and "vault-v1" in VAULTS


@pytest.mark.parametrize("unit", [1, 256])
@pytest.mark.parametrize("name", JOURNALS)
def test_the_firmware_loads_it_with_any_driver(name, unit):
    image, wanted = load(name)
    nor = Nor(len(image), image=image, unit=unit)
    for _ in range(3):
        journal = Journal(nor, unit, Cipher())
        assert journal.mount().kind in (REPAIRED, 1)
        assert what(journal) == wanted
    # And it goes on: settled, sold, restarted.
    journal.settle(9, b"")
    txn = tx.Transaction(tx.SALE)
    txn.amount, txn.pan = 77, "6222021234567890128"
    journal.begin(txn)
    assert txn.trace == wanted["next_trace"] and txn.batch == 9
    journal = Journal(nor, unit, Cipher())
    assert journal.mount().usable and journal.last().amount == 77


@pytest.mark.parametrize("name", JOURNALS)
def test_the_decoder_reads_the_same(name):
    image, wanted = load(name)
    seen = decode(image)
    assert seen.verdict == "repaired" and seen.damage == []
    assert (seen.batch, seen.next_trace) == (wanted["batch"], wanted["next_trace"])
    by_trace = {(t.batch, t.trace): t for t in seen.transactions}
    for told in wanted["last"] + wanted["open"] + wanted["unfinished"]:
        t = by_trace[told["batch"], told["trace"]]
        assert t.kind == tx.KIND_NAMES[told["kind"]] and t.state == tx.STATE_NAMES[told["state"]]
        assert t.supervisor == (None if told["supervisor"] == 255 else told["supervisor"])
        for field in FIELDS:
            if field not in ("kind", "state", "supervisor", "time", "pan"):
                assert getattr(t, field) == told[field], field
        assert not hasattr(t, "pan")
    stage = [seen.stage[0], seen.stage[1].hex()]
    assert stage == wanted["stage"]
    assert seen.settlements[-1].payload.hex() == wanted["last_batch"]
    assert [n.payload.hex() for n in seen.notes][::-1] == [note[2] for note in wanted["notes"]]


@pytest.mark.parametrize("name", VAULTS)
def test_the_vault_loads(name):
    image, wanted = load(name)
    for unit in (1, 256):
        vault = Vault(Nor(len(image), image=image, unit=unit), unit)
        assert vault.mount() == Vault.READY
        assert {key.decode(): vault.get(key).hex() for key in vault.keys()} == wanted
    _, values = decode_vault(image, with_values=True)
    assert {key.decode(): value.hex() for key, value in values.items()} == wanted
