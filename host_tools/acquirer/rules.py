"""Faults on purpose: rules for single messages, personalities of a host, magic amounts.

A rule says which message it applies to and what then goes wrong. Everything is deterministic:
the same requests and rules give the same answers.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from host_tools.acquirer.codec import KNOWN, FormatError, encode
from host_tools.acquirer.requests import GROUPS, OPERATIONS

# Longer than any terminal waits by default (60 s).
LATE = 75.0


class RuleError(ValueError):
    """The rule makes no sense; the text names the part and the choices."""


@dataclass
class Rule:
    """What goes wrong, and when. Durations are seconds, amounts 分.

    When: ``match`` is an operation ("sale", "sign-on", ...), a group ("reversal", "financial",
    "money", "uploads", "any") or None for any; ``terminal`` and ``amount`` narrow it down. The
    rule fires from the ``nth`` matching message on, ``times`` times (None: for ever).

    What: ``code`` answers with this response code (a refusal books nothing; 11 or A2 and the
    like approve); ``partial`` approves only so much (10); ``drop_request`` never sees the
    request; ``drop`` books but never answers; ``cut`` books, and the line goes dead for that
    long; ``delay`` answers later; ``duplicate`` answers twice; ``approve_after_reversal`` books,
    holds the answer back and sends it right after the answer to the reversal; ``wrong_mac``,
    ``no_mac``; ``wrong_field=(number, value)`` changes a field before the MAC is made (number 0
    is the message type, value None leaves the field out); ``garble`` damages bytes; ``demand``
    sets the processing demand digit; ``verdict`` sets the reply digits of a settlement.
    """

    match: str | None = None
    nth: int = 1
    times: int | None = 1
    terminal: str | None = None
    amount: int | None = None
    code: str | None = None
    partial: int = 0
    drop_request: bool = False
    drop: bool = False
    cut: float = 0.0
    delay: float = 0.0
    duplicate: bool = False
    approve_after_reversal: bool = False
    wrong_mac: bool = False
    no_mac: bool = False
    wrong_field: tuple[int, str | None] | None = None
    garble: bool = False
    demand: int | None = None
    verdict: str = ""
    name: str = ""
    seen: int = field(default=0, init=False)
    _names: frozenset[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.match is not None:
            name = self.match.replace("_", "-")
            if name not in GROUPS and name not in OPERATIONS:
                raise RuleError(f"match {self.match!r}: take one of " +
                                f"{', '.join([*OPERATIONS, *GROUPS])}")
            self._names = frozenset(GROUPS.get(name, (name,)))
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise RuleError("nth and times begin at 1; times may be left out with None")
        if self.code is not None and (len(self.code) != 2 or not self.code.isalnum()):
            raise RuleError(f"code {self.code!r}: a response code has two characters")
        if self.demand is not None and self.demand not in range(10):
            raise RuleError(f"demand {self.demand!r}: one digit")
        if self.delay < 0 or self.cut < 0 or self.partial < 0:
            raise RuleError("delay, cut and partial are not negative")
        if self.wrong_field is not None:
            number, value = self.wrong_field
            key = str(number) if number else "t"
            if key not in KNOWN or key in ("1", "64"):
                raise RuleError(f"wrong_field: field {number} is not in this message set")
            try:
                encode({"t": "0210", **({} if value is None else {key: value})})
            except FormatError as error:
                raise RuleError(f"wrong_field: {value!r} does not fit: {error}") from None
            self.wrong_field = (number, value)
        if self.verdict and (len(self.verdict) > 2 or self.verdict.strip("123")):
            raise RuleError(f"verdict {self.verdict!r}: one or two digits out of 1, 2, 3")

    def fires(self, operation: str, terminal: str, amount: int) -> bool:
        """Count a message and say whether the rule applies to it."""
        if self._names is not None and operation not in self._names:
            return False
        if self.terminal is not None and self.terminal != terminal:
            return False
        if self.amount is not None and self.amount != amount:
            return False
        self.seen += 1
        return self.seen >= self.nth and not self.spent(self.seen - 1)

    def spent(self, seen: int | None = None) -> bool:
        """Has the rule fired as often as it may?"""
        seen = self.seen if seen is None else seen
        return self.times is not None and seen >= self.nth - 1 + self.times

    def effect(self) -> str:
        """What the rule does, in a few words, for logs."""
        skip = {"match", "nth", "times", "terminal", "amount", "name", "seen", "_names"}
        parts = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in skip and value not in (None, False, 0, ""):
                parts.append(item.name if value is True else f"{item.name}={value}")
        return (f"{self.name}: " if self.name else "") + (", ".join(parts) or "nothing")


def _standing(name: str, match: str, **effect: Any) -> Rule:
    return Rule(match=match, times=None, name=name, **effect)


def personality(name: str) -> list[Rule]:
    """The standing rules of a host with that character; ``RuleError`` for an unknown one."""
    try:
        parts = _PERSONALITIES[name][1]
    except KeyError:
        raise RuleError(f"personality {name!r}: take one of {', '.join(_PERSONALITIES)}") from None
    return [_standing(name, match, **effect) for match, effect in parts]


_PERSONALITIES: dict[str, tuple[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "honest": ("does everything right", ()),
    "late": (f"answers money requests after {LATE:.0f} s",
             (("money", {"delay": LATE}),)),
    "duplicate": ("answers everything twice", (("any", {"duplicate": True}),)),
    "wrong-trace": ("answers money requests with another trace number",
                    (("money", {"wrong_field": (11, "999999")}),)),
    "bad-mac": ("spoils the MAC of answers to money requests", (("money", {"wrong_mac": True}),)),
    "no-mac": ("leaves the MAC out of answers to money requests", (("money", {"no_mac": True}),)),
    "settles-wrong": ("finds every settlement unbalanced", (("settlement", {"verdict": "2"}),)),
    "approves-after-reversal": (
        "answers a sale or void only after its reversal was answered",
        (("sale", {"approve_after_reversal": True}), ("void", {"approve_after_reversal": True}))),
    "silent": ("books money requests and never answers them", (("money", {"drop": True}),)),
}


def personalities() -> Iterable[tuple[str, str]]:
    """Name and one-line description of each."""
    return ((name, text) for name, (text, _) in _PERSONALITIES.items())


def personalities_table() -> str:
    """The personalities as a Markdown table."""
    lines = ["| name | the host |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {text} |" for name, text in personalities()])


# Magic amounts: the last two digits of a sale's or refund's amount in 分. Tails that prices often
# have (all tens, .66, .88, .95, .99) stay ordinary.
_DECLINES = (
    "01", "03", "04", "05", "12", "13", "14", "15", "21", "22", "25", "34", "38", "41", "43", "45",
    "51", "54", "55", "57", "58", "59", "61", "62", "64", "65", "68", "91", "92", "94", "96", "97",
    "98")
_HALF = 1  # stands for half the amount in the table
_TAILS: dict[int, tuple[str, dict[str, Any]]] = {
    **{int(code): (f"declined with {code}", {"code": code}) for code in _DECLINES},
    71: ("approved, flawed (A2)", {"code": "A2"}),
    72: ("a sale is approved in part, half of it (10)", {"partial": _HALF}),
    73: ("approved; the answer is damaged", {"garble": True}),
    74: ("approved; the answer has a wrong amount", {"wrong_field": (4, "000000000001")}),
    76: ("approved; the answer has a wrong trace", {"wrong_field": (11, "999999")}),
    77: ("declined with 77, the batch differs", {"code": "77", "demand": 3}),
    78: ("approved; the answer's MAC is wrong", {"wrong_mac": True}),
    79: ("approved; the answer has no MAC", {"no_mac": True}),
    81: ("approved after 5 s", {"delay": 5.0}),
    82: ("approved after 25 s", {"delay": 25.0}),
    83: (f"late approval: answered after {LATE:.0f} s", {"delay": LATE}),
    84: ("the request gets lost before the host", {"drop_request": True}),
    85: ("approved; the answer gets lost", {"drop": True}),
    86: ("approved; the line is cut for 20 s before the answer", {"cut": 20.0}),
    87: ("approved; answered twice", {"duplicate": True}),
    89: ("late approval: answered right after the reversal", {"approve_after_reversal": True}),
}


def magic(operation: str, amount: int) -> Rule | None:
    """The rule that this amount stands for, for sales and refunds; None for an ordinary one."""
    if operation not in ("sale", "refund"):
        return None
    found = _TAILS.get(amount % 100)
    if found is None:
        return None
    effect = dict(found[1])
    if effect.get("partial") == _HALF:
        effect["partial"] = amount // 2
    return Rule(name=f"magic amount .{amount % 100:02d}", **effect)


def magic_amounts() -> list[tuple[int, str]]:
    """The last two digits of each magic amount, and what happens then."""
    return [(tail, text) for tail, (text, _) in sorted(_TAILS.items())]


def amounts_table() -> str:
    """The magic amounts as a Markdown table, for `mobi host --amounts` and the documentation."""
    lines = ["| amount ends in | what happens |", "|---|---|"]
    lines += [f"| .{tail:02d} | {text} |" for tail, text in magic_amounts()]
    return "\n".join(lines)


def rule_from(item: Mapping[str, Any]) -> Rule:
    """A rule from a mapping as it stands in a rules file."""
    known = {entry.name for entry in fields(Rule) if entry.init}
    unknown = set(item) - known
    if unknown:
        raise RuleError(f"unknown part {', '.join(sorted(unknown))}; a rule may have " +
                        f"{', '.join(sorted(known))}")
    values = dict(item)
    if "wrong_field" in values:
        pair = values["wrong_field"]
        if not isinstance(pair, (list, tuple)) or not 1 <= len(pair) <= 2:
            raise RuleError("wrong_field is [number, value], or [number] to leave it out")
        values["wrong_field"] = (int(pair[0]), str(pair[1]) if len(pair) == 2 else None)
    if values.get("times") == 0:
        values["times"] = None  # TOML has no null
    try:
        return Rule(**values)
    except TypeError as error:
        raise RuleError(str(error)) from None


def read_file(path: Path) -> dict[str, Any]:
    """The content of a JSON or TOML file; ``RuleError`` says what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"cannot read {path}: {error}") from None
    try:
        if path.suffix == ".toml":
            return _from_toml(text)
        data = json.loads(text)
    except ValueError as error:
        if isinstance(error, RuleError):
            raise
        raise RuleError(f"{path}: {error}") from None
    return data if isinstance(data, dict) else {"rule": data}


def _from_toml(text: str) -> dict[str, Any]:
    try:
        tomllib = importlib.import_module("tomllib")
    except ImportError:
        raise RuleError("TOML files need Python 3.11: write the file as JSON") from None
    data: dict[str, Any] = tomllib.loads(text)
    return data


def rules_in(data: Mapping[str, Any], source: str) -> list[Rule]:
    """The rules under the key "rule" of a file's content."""
    rules = []
    for number, item in enumerate(data.get("rule", ()), 1):
        try:
            rules.append(rule_from(item))
        except RuleError as error:
            raise RuleError(f"{source}, rule {number}: {error}") from None
    return rules
