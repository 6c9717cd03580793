"""What the tests of the money flows share: hands, eyes, and the check of both ends."""

from __future__ import annotations

from host_tools.acquirer.cards import TEST_CARDS
from host_tools.bench import Bench, invariants, stories
from mobi.ui import strings

CARD = stories.CARD
PIN = stories.PIN
SUPERVISOR = stories.SUPERVISOR
CARDS = {card.name: card.pan for card in TEST_CARDS}
OPENING = {card.name: card.balance for card in TEST_CARDS}


def signed_on(bench: Bench) -> Bench:
    """A terminal that is switched on, signed on and idle."""
    bench.power_on()
    bench.sign_on()
    return bench


def back_on(bench: Bench) -> None:
    """After a power cut: switch on, log in (what is offered then is declined), be idle."""
    bench.power_on()
    bench.sign_on()
    bench.to_idle()


def enter(bench: Bench, digits: str = "") -> None:
    """Type and press ENTER."""
    bench.type(digits)
    bench.press("ENTER")


def started(bench: Bench, amount: int, pan: str = CARD) -> None:
    """A sale up to its PIN prompt."""
    bench.swipe(pan)
    bench.press("ENTER")
    enter(bench, str(amount))


def press_until(bench: Bench, key: str, *texts: str, most: int = 4) -> None:
    """Press ``key``, at most ``most`` times, until one of ``texts`` is on the panel."""
    for _ in range(most):
        if any(bench.shows(text) for text in texts):
            return
        bench.press(key)


def word(bench: Bench, name: str) -> str:
    """The text with the id ``name`` in the language of the bench, up to its first value."""
    return strings.lookup(name, int(bench.language == "en")).partition("%")[0].rstrip()


def pick(bench: Bench, label: str) -> None:
    """Choose the entry ``label`` of the menu that is open, wherever in it it stands."""
    for _ in range(14):
        for row in bench.screen()[1:]:
            at = row.find(label)
            if at > 0 and row[at - 1].isdigit() and not row[at + len(label):].strip():
                bench.press(row[at - 1])
                return
        bench.press("DOWN")
    raise AssertionError(f"no {label}: {bench.screen()}")


def forms(pan: str) -> list[bytes]:
    """A card number, or most of it, in the shapes it could lie on flash in."""
    padded = pan + "0" * (len(pan) % 2)
    shifted = "0" + pan + "0" * (1 - len(pan) % 2)
    return [pan[:12].encode(), pan[4:].encode(), bytes.fromhex(padded)[:8],
            bytes.fromhex(padded)[2:9], bytes.fromhex(shifted)[1:9]]


def accept_late(bench: Bench) -> None:
    """The first open transaction: ask the host, and accept that it was approved there."""
    bench.choose("未完成交易")
    bench.press("ENTER", "ENTER")
    pick(bench, "查询主机")
    bench.wait_for("已入账")
    bench.press("ENTER", "1")
    bench.wait_for("交易成功")
    bench.to_idle()


def states(bench: Bench) -> list[tuple[str, str]]:
    """(kind, state) of every transaction in the journal."""
    return [(txn.kind, txn.state) for txn in bench.journal()]


def spent(bench: Bench, card: str = "good") -> int:
    """分 that are gone from a test card."""
    return OPENING[card] - bench.host.ledger().balance(card)


def ended_well(bench: Bench, cuts: int = 0) -> None:
    """Both ends agree, nothing is open, the books add up, the paper tells the truth."""
    invariants.check(bench, rest=True, cuts=cuts)


def snapshot(bench: Bench) -> tuple:
    """What must not change when nothing happens: journal and books."""
    ledger = bench.host.ledger()
    return (
        [str(txn) for txn in bench.journal()],
        [(t.batch, t.trace, t.kind, t.amount, t.state) for t in ledger.transactions],
        [(e.posting, e.account, e.amount) for e in ledger.entries],
    )
