"""A trading day in a storm: random things an operator does, with random faults, from one seed.

    plan = storm.plan(seed=7, steps=30)
    print(storm.text(plan))          # one line that says everything
    storm.run(plan, seed=7)          # raises StormError with the shortest line that still fails

A plan is a line of steps; a step is what the operator does, with a fault in front of it or without:

    sale:1250:good power:3:torn+void-last delay:reply:75+sale:300:low settle

Among them are keys at random, between the steps and in the middle of them, and cards swiped at odd
moments: whoever stands at the counter does not wait for a screen.

After every step the faults end, the terminal is brought back to its idle screen as a person would,
and the money must be right at both ends. At the end the batch is settled and nothing may be open.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from host_tools.acquirer import TEST_CARDS, TestCard
from host_tools.bench import invariants, menu, stories
from host_tools.bench.bench import LANGUAGES, Bench, Timeout
from host_tools.bench.line import MESSAGES
from host_tools.bench.oracle import Counts
from host_tools.bench.sweep import BadPlan, Cut

if TYPE_CHECKING:
    from host_tools.journal import Transaction

CARDS = {card.name: card for card in TEST_CARDS}
# What the acquirer does wrong, by name: a rule, for the next money request where it names no other.
RULES: dict[str, dict[str, Any]] = {
    "declines": {"code": "51"}, "silent": {"drop": True}, "deaf": {"drop_request": True},
    "late": {"delay": 75.0}, "slow": {"delay": 20.0}, "cuts": {"cut": 20.0},
    "after-reversal": {"approve_after_reversal": True}, "bad-mac": {"wrong_mac": True},
    "no-mac": {"no_mac": True}, "bad-amount": {"wrong_field": (4, "000000000001")},
    "bad-trace": {"wrong_field": (11, "999999")}, "garbled": {"garble": True},
    "twice": {"duplicate": True}, "new-keys": {"demand": 3},
    "unequal": {"match": "settlement", "verdict": "2"},
}
KEYS = ("ENTER", "CANCEL", "CLEAR", "BACK", "UP", "DOWN", "FN", "VOID", "LAST", "REFUND")
_APART_US = 350_000  # fingers in a hurry
Tell = Callable[[str], None]
# A sale has four flash operations, a settlement and what the terminal tidies up after it dozens.
_OPS = (0, 1, 1, 2, 3, 4, 5, 8, 20)
_USUAL = ("good", "second", "rich", "short")
# Once faults end it trades again within so many virtual seconds: two tries of a reversal.
_LIVES_S = 660
_GAVE_UP = (Timeout, LookupError)


class StormError(AssertionError):
    """Money is not where it should be; the text ends with the line that shows it again."""


@dataclass(frozen=True)
class Step:
    """One step: ``do`` is the operator's part, ``fault`` what goes wrong ("" for nothing; several
    joined by "+")."""

    do: str
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.fault}+{self.do}" if self.fault else self.do


# -- plans -----------------------------------------------------------------------------------------


def plan(seed: int, steps: int) -> list[Step]:
    """The plan of that seed."""
    dice = random.Random(f"storm {seed}")
    return [Step(_pick(dice, _DEEDS), _together(_pick(dice, _FAULTS), _pick(dice, _FINGERS)))
            for _ in range(steps)]


def _together(*faults: str) -> str:
    return "+".join(fault for fault in faults if fault)


def _pick(dice: random.Random, table: Sequence[tuple[int, Callable[[random.Random], str]]]) -> str:
    weights = [weight for weight, _ in table]
    return dice.choices([make for _, make in table], weights)[0](dice)


def _amount(dice: random.Random) -> int:
    return dice.randrange(100, 30000)


def _card(dice: random.Random) -> str:
    return dice.choice(_USUAL) if dice.random() < 0.8 else dice.choice(list(CARDS))


def _keys(dice: random.Random) -> str:
    # Where keys lead: into the menus, through a case and its steps, or anywhere.
    begin = dice.choice(("5.ENTER.ENTER", "5.ENTER.ENTER", "5.ENTER.DOWN.DOWN.DOWN", "LAST.123456",
                         "VOID.123456.ENTER.2", "REFUND", "7", "8", "FN", "6", "1", ""))
    more = [dice.choice(_WALK) for _ in range(dice.randrange(1, 9))]
    return ".".join([*begin.split("."), *more] if begin else more)


# Digits choose, numbers are passwords, PINs and voucher numbers.
_WALK = ("ENTER", "ENTER", "ENTER", "DOWN", "DOWN", "UP", "CANCEL", "BACK", "CLEAR", "1", "2", "3",
         "4", "5", "6", "7", "9", "0", "123456", "123456.ENTER", "2.ENTER", "1250.ENTER")
_DEEDS: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
    (10, lambda dice: f"sale:{_amount(dice)}:{_card(dice)}"),
    (3, lambda dice: "void-last"),
    (3, lambda dice: f"void:{dice.randrange(1, 5)}"),
    (3, lambda dice: f"refund:{dice.randrange(1, 5)}:{dice.randrange(100, 5000)}"),
    (1, lambda dice: f"balance:{_card(dice)}"),
    (2, lambda dice: "settle"),
    (1, lambda dice: f"wait:{dice.randrange(1, 400)}"),
    (4, lambda dice: f"keys:{_keys(dice)}"),
    (1, lambda dice: f"swipe:{_card(dice)}"),
)
_FAULTS: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
    (6, lambda dice: ""),
    (5, lambda dice: f"power:{dice.choice(_OPS)}:{dice.choice(('torn', 'clean'))}"),
    (4, lambda dice: f"line:{dice.randrange(400)}"),
    (1, lambda dice: f"noise:{dice.choice(('0.0001', '0.001', '0.01'))}"),
    (2, lambda dice: f"drop:{dice.choice(('request', 'reply'))}"),
    (2, lambda dice: f"delay:{dice.choice(('request', 'reply'))}:{dice.choice((5, 40, 61, 90))}"),
    (1, lambda dice: f"twice:{dice.choice(('request', 'reply'))}"),
    (5, lambda dice: f"host:{dice.choice(list(RULES))}"),
    (1, lambda dice: f"paper:{dice.randrange(40)}"),
)
# Hands that do not wait: so many seconds after the step began.
_MOMENTS = ("0.2", "0.9", "1.5", "2.5", "4", "8", "30", "61", "63", "70")
_FINGERS: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
    (12, lambda dice: ""),
    (3, lambda dice: f"touch:{dice.choice(_MOMENTS)}:{_keys(dice)}"),
    (1, lambda dice: f"card:{dice.choice(_MOMENTS)}:{_card(dice)}"),
)


def text(steps: Sequence[Step]) -> str:
    """A plan as one line."""
    return " ".join(str(step) for step in steps)


def parse(line: str) -> list[Step]:
    """The plan in a line; ``BadPlan`` says what it does not understand."""
    steps = []
    for word in line.split():
        fault, _, do = word.rpartition("+")
        _deed(do)
        for one in filter(None, fault.split("+")):
            _fault(one)
        steps.append(Step(do, fault))
    return steps


# -- what a word does ---------------------------------------------------------------------


Deed = Callable[[Bench], object]


def _deed(word: str) -> Deed:
    name, *values = word.split(":")
    try:
        made = _DEED_WORDS[name](*values)
    except (KeyError, TypeError, ValueError):
        raise BadPlan(
            f"{word!r} is nothing an operator does: sale:AMOUNT:CARD, void-last, void:N, "
            + "refund:N:AMOUNT, balance:CARD, settle, wait:SECONDS, keys:KEY.KEY, swipe:CARD (N "
            + "counts back from the newest sale, amounts are 分)"
        ) from None
    return made


def _fault(word: str) -> Deed:
    name, *values = word.split(":")
    try:
        if name in ("power", "line"):
            return Cut.parse(word).arm
        made = _FAULT_WORDS[name](*values)
    except (KeyError, TypeError, ValueError):
        raise BadPlan(
            f"{word!r} is no fault: power:N:torn, power:N:clean, line:BYTES, noise:RATE, "
            + "drop:reply, delay:reply:SECONDS, twice:reply (or request), paper:LINES, "
            + "touch:SECONDS:KEY.KEY, card:SECONDS:CARD, "
            + f"host:NAME with {', '.join(RULES)}"
        ) from None
    return made


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _message(text: str) -> str:
    if text not in MESSAGES:
        raise ValueError(text)
    return text


def _sale_word(amount: str, card: str) -> Deed:
    fen, pan, pin = _number(amount), CARDS[card].pan, CARDS[card].pin
    return lambda bench: stories.sale(bench, fen, pan, pin)


def _void_word(number: str) -> Deed:
    n = _number(number)
    return lambda bench: _void(bench, n)


def _refund_word(number: str, amount: str) -> Deed:
    n, fen = _number(number), _number(amount)
    return lambda bench: _refund(bench, n, fen)


def _balance_word(card: str) -> Deed:
    found = CARDS[card]
    return lambda bench: _balance(bench, found)


def _wait_word(seconds: str) -> Deed:
    time = _number(seconds)
    return lambda bench: bench.clock.advance(time)


def _noise_word(rate: str) -> Deed:
    ber = float(rate)
    if not 0 <= ber <= 0.5:
        raise ValueError(rate)
    return lambda bench: bench.line.noise(ber)


def _delay_word(what: str, seconds: str) -> Deed:
    message, time = _message(what), _number(seconds)
    return lambda bench: bench.line.delay_next(message, time)


def _drop_word(what: str) -> Deed:
    message = _message(what)
    return lambda bench: bench.line.drop_next(message)


def _twice_word(what: str) -> Deed:
    message = _message(what)
    return lambda bench: bench.line.duplicate_next(message)


def _host_word(name: str) -> Deed:
    rule = {"match": "money", **RULES[name]}
    return lambda bench: bench.host.rule(**rule)


def _paper_word(lines: str) -> Deed:
    left = _number(lines)
    return lambda bench: bench.rig.paper.runs_out_after(left)


def _fingers(keys: str) -> list[str]:
    # Names of keys with full stops between them; a number is its digits, one after the other.
    found: list[str] = []
    for key in keys.split("."):
        if key.isdecimal():
            found += key
        elif key in KEYS:
            found.append(key)
        else:
            raise ValueError(key)
    return found


def _keys_word(keys: str) -> Deed:
    names = _fingers(keys)
    return lambda bench: bench.press(*names)


def _swipe_word(card: str) -> Deed:
    pan = CARDS[card].pan
    return lambda bench: bench.swipe(pan)


def _moment(seconds: str) -> int:
    value = float(seconds)
    if not 0 <= value <= 3600:
        raise ValueError(seconds)
    return round(value * 1e6)


def _touch_word(seconds: str, keys: str) -> Deed:
    moment, names = _moment(seconds), _fingers(keys)

    def arm(bench: Bench) -> None:
        for number, name in enumerate(names):
            bench.kernel.after(moment + number * _APART_US, partial(_touch, bench, name))
    return arm


def _touch(bench: Bench, name: str) -> None:
    if bench.powered:
        bench.touch(name)


def _lasts_us(fault: str) -> int:
    # Until when the hands of a fault move, from its beginning; 0 for what has no hands.
    name, *values = fault.split(":")
    if name not in ("touch", "card"):
        return 0
    keys = _fingers(values[1]) if name == "touch" else []
    return _moment(values[0]) + len(keys) * _APART_US + 1_000_000


def _card_word(seconds: str, card: str) -> Deed:
    moment, pan = _moment(seconds), CARDS[card].pan
    return lambda bench: bench.kernel.after(
        moment, lambda: bench.rig.aux(bench.swipe_bytes(pan)) if bench.powered else None)


_DEED_WORDS: dict[str, Callable[..., Deed]] = {
    "sale": _sale_word, "void-last": lambda: _void_last, "void": _void_word,
    "refund": _refund_word, "balance": _balance_word, "settle": lambda: stories.settle,
    "wait": _wait_word, "keys": _keys_word, "swipe": _swipe_word,
}
_FAULT_WORDS: dict[str, Callable[..., Deed]] = {
    "noise": _noise_word, "drop": _drop_word, "delay": _delay_word, "twice": _twice_word,
    "host": _host_word, "paper": _paper_word, "touch": _touch_word, "card": _card_word,
}


def _sale_from_the_end(bench: Bench, number: int) -> tuple[Transaction, TestCard]:
    sales = [txn for txn in bench.journal() if txn.kind == "sale" and txn.rrn]
    if len(sales) < number:
        raise LookupError("no such sale")
    sale = sales[-number]
    return sale, next(card for card in TEST_CARDS if card.masked == sale.masked_pan)


def _void(bench: Bench, number: int) -> None:
    sale, card = _sale_from_the_end(bench, number)
    stories.void(bench, sale.trace, card.pan, card.pin)


def _void_last(bench: Bench) -> None:
    _, card = _sale_from_the_end(bench, 1)
    stories.void_last(bench, card.pan, card.pin)


def _refund(bench: Bench, number: int, amount: int) -> None:
    sale, card = _sale_from_the_end(bench, number)
    stories.refund(bench, sale.rrn, sale.time.strftime("%m%d"), amount, card.pan)


def _balance(bench: Bench, card: TestCard) -> None:
    bench.choose(stories.text(bench, "balance"))
    bench.swipe(card.pan)
    bench.press("ENTER")
    bench.type(card.pin)
    bench.press("ENTER")
    bench.to_idle()


# -- running ---------------------------------------------------------------------


@dataclass
class Day:
    """What became of a plan: ``broken`` is "" when the money is right, else says what is not."""

    steps: list[Step]
    done: int
    transactions: int
    power_cuts: int
    virtual_s: float
    broken: str
    looked: Counts = field(default_factory=Counts)


def play(
    steps: Sequence[Step], seed: int = 1, board: str = "unix",
    tell: Tell = lambda text: None,
) -> Day:
    """Run the plan once."""
    day = Day(list(steps), 0, 0, 0, 0.0, "")
    with Bench(board, seed) as bench:
        bench.power_on()
        bench.sign_on()
        for step in steps:
            day.broken = _step(bench, step, day)
            tell(f"{bench.clock.now:%m-%d %H:%M:%S}  {step}  "
                 + (day.broken.splitlines()[0] if day.broken else "good"))
            if day.broken:
                break
            day.done += 1
        else:
            day.broken = _end(bench, day.power_cuts)
        day.transactions = len(bench.host.ledger().transactions)
        day.virtual_s = bench.clock.seconds
        day.looked = bench.oracle.counts
    return day


def _step(bench: Bench, step: Step, day: Day) -> str:
    faults = [fault for fault in step.fault.split("+") if fault]
    began_us = bench.kernel.now_us
    for fault in faults:
        _fault(fault)(bench)
    try:
        _deed(step.do)(bench)
    except _GAVE_UP:
        pass  # it could not be done; what matters is the money
    # Hands that were on their way come down on whatever is on the panel by then.
    last_us = began_us + max((_lasts_us(fault) for fault in faults), default=0)
    if bench.kernel.now_us < last_us:
        bench.run_to(last_us)
    day.power_cuts += not bench.powered
    bench.disarm()
    if bench.rig.paper.paper_is_out or any(f.startswith("paper") for f in faults):
        bench.rig.load_paper()
    try:
        stories.recover(bench)
    except _GAVE_UP as error:
        return f"recovery: {error}"
    # Keys at random may have chosen the other language.
    bench.language = LANGUAGES[bench.shows(menu.IDLE[1])]
    return "\n".join([*invariants.found(bench, cuts=day.power_cuts), *bench.crashes])


def _end(bench: Bench, cuts: int) -> str:
    try:
        # Tries of a reversal may be used up; the terminal goes on with them by itself.
        bench.wait_until(
            lambda: all(txn.state != "reversal_due" for txn in bench.journal()), _LIVES_S,
            "every reversal that is due to go out by itself")
        stories.sale(bench, 1_00, pan=stories.SECOND_CARD)
        stories.settle(bench)
    except _GAVE_UP as error:
        found = invariants.found(bench, cuts=cuts)
        return "\n".join([*found, *bench.crashes, f"the last settlement: {error}"])
    return "\n".join([*invariants.found(bench, rest=True, cuts=cuts), *bench.crashes])


def shorten(
    steps: Sequence[Step], seed: int, board: str = "unix",
    tell: Tell = lambda text: None,
) -> list[Step]:
    """The steps of a failing plan without those that it fails without, too."""
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while True:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size:]
            if play(fewer, seed, board).broken:
                kept = fewer
                tell(f"still fails with {len(kept)} steps")
            else:
                at += size
        if size == 1:
            return kept
        size //= 2


def replay_line(steps: Sequence[Step], seed: int, board: str = "unix") -> str:
    """What to type to have it again."""
    where = "" if board == "unix" else f" --board {board}"
    return f'mobi storm --seed {seed}{where} --plan "{text(steps)}"'


def run(
    steps: Sequence[Step], seed: int = 1, board: str = "unix",
    tell: Tell = lambda text: None,
) -> Day:
    """Run a plan; ``StormError`` with the shortest plan that fails when it fails."""
    day = play(steps, seed, board, tell)
    if day.broken:
        short = shorten(day.steps[: day.done + 1], seed, board, tell)
        raise StormError(f"{day.broken}\n\nreplay: {replay_line(short, seed, board)}")
    return day
