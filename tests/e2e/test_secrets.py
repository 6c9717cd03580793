"""What must never rest anywhere: tracks, PINs, PIN blocks, expiry dates; card numbers in clear.

The same day is lived twice by cards that differ in nothing but expiry, PIN and what follows on the
track. Whatever of these came to rest, in whatever shape, would make a difference: there is none.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

import pytest

from host_tools.acquirer import Acquirer
from host_tools.acquirer.cards import TestCard
from host_tools.acquirer.codec import decode
from host_tools.bench import Bench, stories
from tests.e2e.kit import CARD, accept_late, back_on, enter, forms


@dataclass
class Life:
    """What a day left behind: every byte ever programmed, everything written for eyes."""

    programmed: list[tuple[int, bytes | None]] = field(default_factory=list)  # address, data
    secrets: list[bytes] = field(default_factory=list)  # as they really passed on the line
    texts: list[str] = field(default_factory=list)

    def at_rest(self) -> bytes:
        """All bytes that were ever programmed, one after the other."""
        return b"".join(bytes(data) for _, data in self.programmed if data is not None)


def live(expiry: str, pin: str, tail: str, folder) -> Life:
    """A day with every flow that has card data in its hands, and every way one is cut off."""
    card = TestCard("good", CARD, expiry=expiry, pin=pin)
    life = Life()
    with contextlib.closing(Acquirer(seed=1, cards=[card])) as host, Bench(host=host) as b:
        _listen(b, host, life)
        b.power_on()
        b.sign_on()
        how = {"pan": CARD, "pin": pin}
        _swiping(b, expiry, tail)
        first = stories.sale(b, 5000, **how)
        stories.void(b, first.trace, **how)
        second = stories.sale(b, 8000, **how)
        stories.refund(b, second.rrn, f"{b.clock.now:%m%d}", 1000)
        _keyed_sale(b, expiry, pin)
        _balance(b, pin)
        _wrong_pin(b, pin)
        b.line.drop_next("reply")  # no answer: a reversal is due
        stories.sale(b, 700, wait=False, **how)
        b.clock.advance(70)
        b.to_idle()
        stories.sale(b, 750, **how)  # its reversal goes first
        b.line.delay_next("reply", 75)  # answered too late
        stories.sale(b, 800, wait=False, **how)
        b.clock.advance(100)
        b.to_idle()
        accept_late(b)
        host.rule("sale", wrong_mac=True)  # sign-on, then its reversal
        stories.sale(b, 900, wait=False, **how)
        b.clock.advance(5)
        b.press("CANCEL", "CANCEL", "ENTER")
        b.wait_for("签到成功")
        b.to_idle()
        b.line.delay_next("reply", 20)
        stories.sale(b, 1100, wait=False, **how)
        b.power_cut()  # with the PIN block on the line
        back_on(b)
        host.rule("settlement", verdict="2")
        stories.settle(b)
        stories.sale(b, 1200, **how)
        host.ledger().check()
        b.evidence(second.trace, folder / "evidence")
        b.save(folder / "saved")
        macs = {entry.fields["64"] for entry in host.trace if "64" in entry.fields}
        life.texts = [_without_sums(text, macs) for text in
                      (b.paper(), host.trace_text(), *_texts(folder))]
    return life


def _listen(b, host, life) -> None:
    # Every byte that is programmed, and the secrets of every request.
    for nor in b.rig.flash:
        nor.trace = life.programmed
    handle = host.handle

    def heard(message, now):
        fields = decode(message).fields
        for key in ("35", "52"):
            if key in fields:
                life.secrets.append(fields[key].encode())
        return handle(message, now)

    host.handle = heard


def _swiping(b, expiry, tail) -> None:
    # This bench's reader reads this card's track.
    swipe = b.swipe_bytes
    b.swipe_bytes = lambda pan, _=None, **options: swipe(pan, expiry, discretionary=tail, **options)


def _keyed_sale(b, expiry, pin) -> None:
    b.choose("消费")
    enter(b, CARD)
    enter(b, expiry)
    b.press("ENTER")
    enter(b, "600")
    enter(b, pin)
    b.wait_for("交易成功")
    stories.finish(b)


def _balance(b, pin) -> None:
    b.choose("余额查询")
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, pin)
    b.wait_for("可用余额")
    b.to_idle()


def _wrong_pin(b, pin) -> None:
    b.swipe(CARD)
    b.press("ENTER")
    enter(b, "650")
    enter(b, "000000")
    b.wait_for("55")
    b.to_idle()


def _texts(folder) -> list[str]:
    # All that is meant for eyes. replay.txt lists the keys, PIN and all: it is for test cards.
    return [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*"))
            if path.suffix in (".txt", ".log", ".json", ".html") and path.name != "replay.txt"]


def _without_sums(text, macs) -> str:
    # A MAC is over the track, and a SHA-256 over the MAC: they do and may differ.
    for mac in macs:
        text = text.replace(mac, "MAC")
    return re.sub(r"\b[0-9a-f]{64}\b", "SHA-256", text)


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """The same day with two cards that differ in their secrets only."""
    return [live("3012", "123456", "1010000001", tmp_path_factory.mktemp("one")),
            live("2907", "975318", "2209876543", tmp_path_factory.mktemp("two"))]


def test_the_day_had_secrets(lives):
    for life, expiry in zip(lives, (b"D3012", b"D2907"), strict=True):
        tracks = [secret for secret in life.secrets if expiry in secret]
        blocks = [secret for secret in life.secrets if len(secret) == 16]
        assert len(tracks) > 8 and len(blocks) > 8
        assert len(set(blocks)) == 3  # of the wrong PIN, and under the keys of two sign-ons
    common = set(lives[0].secrets) & set(lives[1].secrets)
    assert len(common) == 1  # the block of the wrong PIN


def test_flash_knows_nothing_of_expiry_pin_and_track(lives):
    one, two = lives
    assert len(one.programmed) > 200
    assert one.programmed == two.programmed


def test_nothing_written_for_eyes_knows_them(lives):
    one, two = lives
    for first, second in zip(one.texts, two.texts, strict=True):
        assert first == second


def test_no_track_or_pin_block_as_it_passed_on_the_line(lives):
    for life in lives:
        written = life.at_rest() + "\n".join(life.texts).encode()
        for secret in life.secrets:
            for form in (secret, secret.lower(), *_packed(secret)):
                assert form not in written


def _packed(secret: bytes) -> list[bytes]:
    try:
        return [bytes.fromhex(secret.decode().replace("=", "d").ljust(len(secret) + len(secret) % 2,
                                                                      "0"))]
    except ValueError:
        return []


def test_no_card_number_in_clear(lives):
    for life in lives:
        written = life.at_rest()
        for form in forms(CARD):
            assert form not in written
        assert not any(CARD in text for text in life.texts)


def test_this_would_be_noticed():
    """The check itself: a number that does rest is found in each of its shapes."""
    for form in forms(CARD):
        assert form in b"\xff" * 7 + form + b"\x00"
