"""docs/protocol.md says what the code does: its made parts are current, its examples real."""

import re

import pytest

from host_tools import link
from mobi import settings
from mobi import transactions as tx
from mobi.acquiring import codes, security
from mobi.acquiring.iso8583 import FIELDS, LIMIT
from mobi.acquiring.messages import Composer
from mobi.flows import retries, unfinished
from mobi.link import arq, frame
from mobi.link.frame import Decoder, session_seed
from tests.host import protocol_tables
from tests.host.iso_oracle import SPEC, decode
from tests.host.test_messages import NAMES, Keys, Setup, answer, reply_values, sample

TEXT = protocol_tables.DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(protocol_tables.PARTS))
def test_made_parts_are_current(name):
    # If this fails: PYTHONPATH=firmware:boards/cpython:. python tests/host/protocol_tables.py
    assert protocol_tables.made(TEXT)[name] == protocol_tables.PARTS[name]()


def test_both_ends_mean_the_same():
    for name in ("REQUEST", "POLL", "SYNC", "REPLY", "WAIT", "LOST", "SYNCED"):
        assert getattr(frame, name) == getattr(link, name)
    assert (arq.HOLD_MS, arq.HOLD_POLL_MS, arq.VERSION) == (
        link.HOLD_MS, link.HOLD_POLL_MS, link.VERSION)
    assert frame.PAYLOAD == link.MAX_MESSAGE
    # The host's latest answer, and the longest frame behind it, end in the terminal's window.
    longest_ms = (2 * (link.MAX_MESSAGE + 3) + 2) * 10_000 / 115_200
    assert link.GRACE_MS + longest_ms <= arq.SLACK_MS
    assert link.GRACE_MS + 20 <= arq.SYNC_MS


def frames_in_the_document():
    """(who, what, bytes) for every frame of the worked examples."""
    found = []
    for block in re.findall(r"On the line:\n\n```\n(.*?)```", TEXT, re.S):
        for line in block.splitlines():
            if line.startswith("    "):
                found[-1][2].extend(bytes.fromhex(line))
            else:
                who, what = line.split(None, 1)
                found.append((who, what, bytearray()))
    return found


def test_every_frame_of_the_examples_passes_both_decoders():
    seed = session_seed(1001, b"\0\0\0\x01")
    names = []
    for who, what, wire in frames_in_the_document():
        decoder = Decoder()
        decoder.seed = seed
        assert decoder.feed(wire, 0, len(wire)) == len(wire)
        while decoder.payload is None:
            pytest.fail(f"{what} of the {who} is no good frame")
        kind = link.KINDS[decoder.control & frame.KIND].upper()
        assert what.split()[0] == kind
        assert (who == "terminal") == (decoder.control < 0x80)
        names.append(what)
    assert names[:4] == ["SYNC", "SYNCED", "REQUEST 1", "REPLY 1"]
    assert "WAIT 2" in names and "POLL 2" in names and "REPLY 4" in names
    # The terminal's frames of the examples, fed to a new host, deliver the four requests.
    host = link.HostLink(number=1)
    got = []
    for who, _, wire in frames_in_the_document():
        if who == "terminal":
            got += host.feed(bytes(wire), 0)
    assert [decode(message)["t"] for message in got] == ["0800", "0200", "0200", "0400"]
    assert host.stats.bad == 0


def test_the_terminal_believes_the_replies_of_the_document():
    keys = type("K", (), {"pik": b"", "mak": b""})()
    composer = Composer(protocol_tables.Setup, keys)
    replies = [bytes(wire) for who, what, wire in frames_in_the_document()
               if what.startswith("REPLY")]

    def message(wire):
        decoder = Decoder()
        decoder.seed = session_seed(1001, b"\0\0\0\x01")
        decoder.feed(wire, 0, len(wire))
        return bytes(decoder.payload)

    txn = tx.Transaction(0)
    txn.trace = 1
    reply = composer.read("sign_on", txn, message(replies[0]))
    keys.pik, keys.mak = security.unwrap(protocol_tables.TMK, reply.keys)
    assert (keys.pik, keys.mak) == (protocol_tables.PIK, protocol_tables.MAK)
    for trace, name, amount in ((2, "sale", 12345), (3, "void", 12345), (4, "sale_reversal", 6600)):
        txn = tx.Transaction(tx.VOID if name == "void" else tx.SALE)
        txn.trace, txn.amount = trace, amount
        assert composer.read(name, txn, message(replies[trace - 1])).code == "00"


def test_links_inside_the_document_lead_somewhere():
    headings = {re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-")
                for line in TEXT.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert target in headings, target


def test_every_state_and_timer_named_by_number_is_the_codes():
    for text, value in (
        ("no frame of the host for 2 s", arq.QUIET_MS == 2000),
        ("about 6 s", 5000 < arq.REQUEST_TRIES * (arq.HOLD_MS + arq.SLACK_MS) < 6500),
        ("sent again after 0.7 s", arq.HOLD_MS + arq.SLACK_MS == 700),
        ("at most 1.4 s", arq.HOLD_POLL_MS + arq.SLACK_MS == 1400),
        ("After 31 the terminal begins a new session", frame.NUMBER == 31),
        ("between 1 and 2^30 - 1", True), ("longer than 1027 bytes", frame.PAYLOAD + 3 == 1027),
    ):
        assert text in TEXT and value, text


# -- section 9: what the terminal does with a reply ------------------------------------------------


def listed(begin):
    """The numbers of fields in the sentence that begins so."""
    sentence = TEXT[TEXT.index(begin):].split(". ")[0]
    return {int(number) for number in re.findall(r"\b\d\d?\b", re.sub(r"\d+\.\d", "", sentence))}


READ = listed("of a reply that passes:") | {60, 62}
KINDS = {"balance": tx.BALANCE, "void": tx.VOID, "refund": tx.REFUND, "void_reversal": tx.VOID}


def taken(name, values):
    """All that the terminal keeps of a reply; None when it refuses it."""
    txn = sample(KINDS.get(name, tx.SALE))
    reply = Composer(Setup, Keys).read(name, txn, answer(name, values))
    own = {key: value for key, value in vars(reply).items() if key != "acquirer"}
    return own, {key: str(value) for key, value in vars(txn).items()
                 if key not in ("totals", "packet")}


@pytest.mark.parametrize("name", NAMES)
def test_fields_that_are_said_to_be_ignored_are(name):
    values = {**reply_values(name), "60": "00000003000"}
    before = taken(name, values)
    for field, *_ in FIELDS:
        key = str(field)
        if field in READ:
            continue
        size = SPEC[key]["max_len"]
        raw = SPEC[key]["data_enc"] == "b" and "len_count" not in SPEC[key]
        assert taken(name, {**values, key: "37" * size if raw else "7" * size}) == before, key
    assert READ >= {3, 4, 11, 12, 13, 15, 37, 38, 39, 41, 42, 44, 48, 54, 63, 64}


@pytest.mark.parametrize("name, key, value", [
    ("sale", "12", "235958"), ("sale", "13", "1231"), ("sale", "15", "0102"),
    ("sale", "37", "7" * 12), ("sale", "38", "777777"), ("sale", "44", "37" * 22),
    ("sale", "63", "37" * 9),
    ("balance", "54", b"1002156D000000000001".hex()), ("settlement", "48", "0" * 30 + "2" * 32),
    ("sign_on", "60", "00000777003"), ("sign_on", "62", "37" * 24), ("parameters", "62", "37" * 24),
])
def test_fields_that_are_said_to_be_read_are(name, key, value):
    values = reply_values(name)
    if key == "48":
        value = value[:61] + "0"
    assert taken(name, {**values, key: value}) != taken(name, values)
    assert int(key) in READ


def test_the_longest_message_and_the_longest_request_are_as_said():
    txn = sample()
    txn.packet = [sample()] * 8
    longest = max(len(Composer(Setup, Keys).build(name, txn)) for name in NAMES)
    assert f"the\nlongest that the terminal sends is an upload of eight, of {longest} bytes" in TEXT
    assert "The longest message has 1024 bytes" in TEXT and LIMIT == 1024


def test_codes_tries_and_times_of_section_9_are_the_codes():
    accepted = [row[0] for row in codes.TABLE if codes.is_approved(row[0], tx.SALE)]
    assert accepted == ["00", "10", "11", "A2", "A4", "A5", "A6"]
    assert "**39, accepted.** 00, 11, A2, A4, A5 and A6 in every reply" in TEXT
    assert codes.KEYS_GONE == ("99", "A0") and "After 99 or A0 to a sale" in TEXT
    assert tx.REVERSAL_CLOSED_BY == ("00", "25", "12") and "| 00, 25, 12 | 0410 |" in TEXT
    assert unfinished._NO_QUERY == ("30", "40", "57", "58") and "| 30, 40, 57, 58 |" in TEXT
    assert settings.row("reversal_tries")[2] == 3 and "(冲正重发次数, 3)" in TEXT
    assert settings.row("reversal_minutes")[2] == 5 and "`reversal_minutes` (5; 0 never)" in TEXT
    assert retries.MOST_TRIES == 10 and "up to 10 in all" in TEXT
