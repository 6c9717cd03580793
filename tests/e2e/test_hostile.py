"""A line and a host that send rubbish while money is on its way: nothing is lost or crashes."""

import random
from dataclasses import replace

import pytest

from host_tools.bench import Timeout, invariants, stories
from tests.e2e.kit import ended_well, spent, states

# -- bytes that are no frames, or not this exchange's ----------------------------------------------

RUBBISH = {
    "noise": lambda frames: random.Random(7).randbytes(300),
    "flags": lambda frames: b"\x7e" * 200,
    "escapes": lambda frames: b"\x7d" * 60 + b"\x7e\x7d\x7e",
    "oversize": lambda frames: b"\x7e" + b"\x11" * 5000 + b"\x7e",
    "no end": lambda frames: b"\x7e\x01" + b"0210" * 20,
    "truncated frames": lambda frames: b"".join(frame[: len(frame) // 2] for frame in frames),
    "frames of an earlier sale": b"".join,
    "spoilt frames": lambda frames: b"".join(
        frame[:4] + bytes([frame[4] ^ 4]) + frame[5:] for frame in frames),
}
FLOWS = (
    lambda b: stories.sale(b, 600),
    stories.void_last,
    lambda b: stories.refund(b, b.journal()[0].rrn, f"{b.clock.now:%m%d}", 100),
    stories.settle,
)


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_in_front_of_every_reply(b, kind):
    frames = []
    to_terminal, to_host = b.line.from_far, b.line.from_terminal
    b.line.from_far = lambda data: (frames.append(data) if len(data) > 6 else None,
                                    to_terminal(data))
    stories.sale(b, 500)
    b.line.from_far = to_terminal
    assert len(frames) > 1

    def spoiled(data):
        to_host(data)
        to_terminal(RUBBISH[kind](frames))

    for flow in FLOWS:
        b.line.from_terminal = spoiled
        try:
            flow(b)
        except Timeout:
            pass  # it need not succeed, but nothing may get lost
        b.clock.advance(75)
        b.line.from_terminal = to_host
        stories.recover(b)
        invariants.check(b)
    stories.sale(b, 700)
    stories.settle(b)
    ended_well(b)


# -- good frames with messages that are none -------------------------------------------------------


def bitmap(message, value):
    return message[:13] + value + message[21:]


# What becomes of an approving reply. Its first fields begin at 21.
WRONG = {
    "one byte": lambda good, request: good[:1],
    "TPDU only": lambda good, request: good[:5],
    "no message": lambda good, request: good[:11],
    "no fields": lambda good, request: good[:21],
    "half": lambda good, request: good[: len(good) // 2],
    "one byte short": lambda good, request: good[:-1],
    "one byte more": lambda good, request: good + b"\0",
    "twice": lambda good, request: good + good,
    "longest": lambda good, request: good + bytes(1024 - len(good)),
    "zeros": lambda good, request: bytes(len(good)),
    "ones": lambda good, request: b"\xff" * len(good),
    "empty bitmap": lambda good, request: bitmap(good, bytes(8)),
    "full bitmap": lambda good, request: bitmap(good, b"\xff" * 8),
    "shifted": lambda good, request: good[:21] + b"\x16" + good[21:],
    "request sent back": lambda good, request: request,
    "not 60": lambda good, request: b"\x61" + good[1:],
}


@pytest.mark.parametrize("kinds", [list(WRONG)[i::2] for i in range(2)], ids=str)
def test_no_wrong_message_is_taken_for_an_approval(b, kinds):
    honest = b.line.far.handle
    wrong = []

    def handle(message):
        answers = honest(message)
        if message[11:13] == b"\x02\x00" and wrong:
            spoil = WRONG[wrong.pop()]
            return [replace(a, message=spoil(a.message, message)) for a in answers]
        return answers

    b.line.far.handle = handle
    for number, kind in enumerate(kinds):
        wrong.append(kind)
        stories.sale(b, 1000 + number, wait=False)
        b.wait_for("可能已", timeout=70)
        b.to_idle()
        assert states(b)[-1] == ("sale", "reversal_due"), kind
        invariants.check(b)
    stories.sale(b, 700)
    assert states(b) == [("sale", "reversed")] * len(kinds) + [("sale", "approved")]
    assert {txn.reason for txn in b.journal()[:-1]} == {"06"} and spent(b) == 700
    ended_well(b)


@pytest.mark.parametrize("kind", ["half", "one byte more", "request sent back"])
def test_no_wrong_message_closes_a_reversal(b, kind):
    b.line.drop_next("reply")
    stories.sale(b, 500, wait=False)
    b.clock.advance(62)
    b.to_idle()
    honest = b.line.far.handle
    b.line.far.handle = lambda message: [
        replace(a, message=WRONG[kind](a.message, message)) if message[11:13] == b"\x04\x00" else a
        for a in honest(message)]
    stories.sale(b, 700, wait=False)
    b.wait_for("本次交易未发送", timeout=200)
    assert b.journal()[0].attempts == 3 and states(b) == [("sale", "reversal_due")]
    b.to_idle()
    b.line.far.handle = honest
    b.clock.advance(400)  # the terminal tries by itself
    assert states(b) == [("sale", "reversed")] and spent(b) == 0
    ended_well(b)


# -- replies of other people's hosts ---------------------------------------------------------------


@pytest.mark.parametrize("field, value", [
    (57, b"private".hex()), (59, "FF" * 20), (5, "000000000500"), (43, b"Shop 1".ljust(40).hex()),
    (44, "中国银行"), (63, "CUP发卡行"), (54, "no balance"),
])
def test_a_field_that_nobody_needs_spoils_no_sale(b, field, value):
    b.host.rule("sale", wrong_field=(field, value))
    stories.sale(b, 500)
    assert states(b) == [("sale", "approved")]
    ended_well(b)
