"""The test cards: numbers, balances, PINs and states. Real cards are refused.

Every number is in a test range and passes the Luhn check. Where digits 16 to 18 of a number are
``1cc``, the issuer answers every request for that card with code ``cc``: the card 141 is the
lost one (41), 143 the stolen one (43).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from host_tools.acquirer.codec import mask_pan

# Card numbers outside these ranges are never accepted, whatever a configuration says.
TEST_RANGES = ("62220212345678", "400000000000", "555555555555")


class NotATestCard(ValueError):
    """The number is outside the test ranges or fails the Luhn check."""


def luhn_digit(partial: str) -> str:
    """The check digit that completes ``partial`` (ISO/IEC 7812)."""
    total = 0
    for place, char in enumerate(reversed(partial)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def luhn_ok(pan: str) -> bool:
    """Does the last digit of ``pan`` fit the others?"""
    return pan.isdecimal() and len(pan) >= 13 and luhn_digit(pan[:-1]) == pan[-1]


@dataclass(frozen=True)
class TestCard:
    """One card. ``balance`` and ``limit`` are 分, ``expiry`` is YYMM.

    ``code``: what the issuer answers to everything ("" for a card in good state).
    ``limit``: most that one transaction may take; 0 for no limit.
    ``pin_needed``: a sale without PIN is refused with 55.
    """

    __test__ = False  # pytest: not a test class

    name: str
    pan: str = field(repr=False)
    balance: int = 10_000_00
    expiry: str = field(default="3012", repr=False)
    pin: str = field(default="123456", repr=False)
    code: str = ""
    limit: int = 0
    pin_needed: bool = False
    organisation: str = "CUP"
    issuer: str = "01020000"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.pan.startswith(TEST_RANGES) or not luhn_ok(self.pan):
            raise NotATestCard(
                f"{mask_pan(self.pan)} is no test card: take a number that begins with " +
                f"{', '.join(TEST_RANGES)} and passes the Luhn check")
        if len(self.expiry) != 4 or not self.expiry.isdecimal():
            raise NotATestCard(f"card {self.name}: the expiry is four digits, YYMM")

    @property
    def masked(self) -> str:
        """First six and last four digits."""
        return mask_pan(self.pan)


def numbered(middle: str, name: str, **more: object) -> TestCard:
    """A 19-digit test card with the digits 16 to 18 given."""
    partial = "622202123456789" + middle
    return TestCard(name, partial + luhn_digit(partial), **more)  # type: ignore[arg-type]


def _refusing(code: str, name: str, note: str) -> TestCard:
    return numbered("1" + code, name, code=code, note=note)


TEST_CARDS: tuple[TestCard, ...] = (
    numbered("012", "good", note="the standard card"),
    numbered("013", "second", note="another customer"),
    numbered("014", "rich", balance=100_000_000_00, note="for large amounts"),
    numbered("015", "low", balance=10_00, note="51 above 10.00"),
    numbered("016", "empty", balance=0, note="51 for any amount"),
    numbered("017", "expired", expiry="2001", note="54"),
    numbered("018", "limited", limit=100_00, note="61 above 100.00 in one transaction"),
    numbered("019", "pin-needed", pin_needed=True, note="55 without a PIN"),
    numbered("020", "other-pin", pin="0000", note="a PIN of four digits"),
    TestCard("short", "6222021234567894", note="a number of 16 digits"),
    _refusing("01", "call-issuer", "call the issuer"),
    _refusing("04", "pick-up", "keep the card"),
    _refusing("05", "not-honoured", "not honoured"),
    _refusing("15", "unknown-issuer", "no such issuer"),
    _refusing("21", "inactive", "not activated"),
    _refusing("34", "fraud", "suspected fraud"),
    _refusing("38", "pin-blocked", "PIN tries used up"),
    _refusing("41", "lost", "lost card"),
    _refusing("43", "stolen", "stolen card"),
    _refusing("57", "not-permitted", "not for this kind of transaction"),
    _refusing("62", "restricted", "restricted card"),
    _refusing("65", "too-often", "used too often"),
    _refusing("91", "issuer-down", "the issuer's system is down"),
    _refusing("98", "issuer-silent", "the issuer does not answer"),
)

STANDARD_CARD = TEST_CARDS[0]

# Payment codes (付款码): what a wallet shows and a shop scans. 18 digits: a prefix, digits of the
# wallet's card, a serial number, a check digit. Each is good for one payment.
CODE_PREFIX = "6299"
CODE_DIGITS = 18


def payment_code(card: TestCard = STANDARD_CARD, serial: int = 1) -> str:
    """The ``serial``-th payment code (1 to 999999999) of the wallet that ``card`` pays for."""
    partial = f"{CODE_PREFIX}{_place(card)}{serial:09d}"
    return partial + luhn_digit(partial)


def is_payment_code(code: str) -> bool:
    """Is it a payment code of a test wallet?"""
    return (len(code) == CODE_DIGITS and code.startswith(CODE_PREFIX) and luhn_ok(code))


def wallet_of(code: str) -> str:
    """The digits of a payment code that name the wallet."""
    return code[len(CODE_PREFIX):len(CODE_PREFIX) + 4]


def _place(card: TestCard) -> str:
    # The four digits before the check digit differ between all test cards.
    return card.pan[-5:-1]


def fleet(count: int) -> tuple[TestCard, ...]:
    """``count`` (at most 8000) further good cards named fleet-0000 and so on, for load tests."""
    if count > 8000:
        raise ValueError("the test range has room for 8000 fleet cards")
    cards = []
    for number in range(count):
        partial = f"62220212345678{number:04d}"
        cards.append(TestCard(f"fleet-{number:04d}", partial + luhn_digit(partial),
                              balance=100_000_000_00))
    return tuple(cards)


def table() -> str:
    """The test cards as a Markdown table, for `mobi host --cards` and the documentation."""
    lines = ["| card | number | expiry | PIN | balance | what happens |",
             "|---|---|---|---|---|---|"]
    for card in TEST_CARDS:
        happens = f"{card.code}: {card.note}" if card.code else card.note
        lines.append(f"| {card.name} | {card.pan} | {card.expiry} | {card.pin} " +
                     f"| {card.balance / 100:.2f} | {happens} |")
    return "\n".join(lines)
