"""The firmware's own texts, read from its source: the bench imports nothing of the firmware.

A text on the panel is broken over rows and its punctuation may have given way at a row's end, so it
is found by a pattern without blanks and punctuation whose characters may have a row's end between
them; it begins and ends with a row.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.bench import claims
from host_tools.places import ROOT

_FIRMWARE = ROOT / "firmware" / "mobi"
_BLANKS = str.maketrans("", "", " ，。！？：；、,.!?:;*")
_VALUE = re.compile(r"(%0?\d*[sd]|%%)")
# Rows of four strings: to the operator in Chinese and English, to the customer in both.
_SENTENCES = 4


@dataclass(frozen=True)
class Text:
    """A text that makes a claim. ``name``: where it stands; ``words``: Chinese, English."""

    name: str
    claim: str
    words: tuple[str, str]


def _assigned(path: Path) -> dict[str, Any]:
    # Names at the top of a module and their values, where these are literals or such names.
    known: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _value(node.value, known)
            if value is not None:
                known[node.targets[0].id] = value
    return known


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Tuple):
        return tuple(_value(item, known) for item in node.elts)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "const":
        return _value(node.args[0], known)
    return None


@functools.cache
def strings() -> dict[str, tuple[str, str]]:
    """Id of every text of the terminal: Chinese, English."""
    table = _assigned(_FIRMWARE / "ui" / "strings.py")["TABLE"]
    return {name: (zh, en) for name, zh, en in table}


@functools.cache
def _codes() -> dict[str, Any]:
    return _assigned(_FIRMWARE / "acquiring" / "codes.py")


@functools.cache
def advice() -> dict[str, tuple[str, str, str, str]]:
    """Name of every advice: what the operator reads in Chinese and English, and the customer."""
    known = _codes()
    rows = known["ADVICE"]
    names = list(known)
    numbers = [name for name in names[names.index("OK"):names.index("ADVICE")]
               if isinstance(known[name], int)]
    return {name: rows[known[name]][:_SENTENCES] for name in numbers}


@functools.cache
def codes() -> dict[str, tuple[str, str]]:
    """Every response code, "" for one that is not listed: its short text, Chinese and English."""
    known = _codes()
    return {row[0]: (row[2], row[3]) for row in (*known["TABLE"], known["_NOT_LISTED"])}


@functools.cache
def claiming() -> tuple[Text, ...]:
    """Every text of the terminal that makes a claim."""
    found = [Text(name, claims.TEXTS[name], words) for name, words in strings().items()
             if name in claims.TEXTS]
    for name, row in advice().items():
        for claim, words, whom in zip(claims.ADVICE.get(name, ("", "")), (row[:2], row[2:]),
                                      ("operator", "customer"), strict=True):
            if claim:
                found.append(Text(f"advice {name} to the {whom}", claim, (words[0], words[1])))
    found += [Text(f"code {code}", claims.CODES[code], words) for code, words in codes().items()
              if code in claims.CODES]
    return tuple(found)


def bare(text: str) -> str:
    """``text`` without blanks and punctuation."""
    return text.translate(_BLANKS)


def _page(rows: Sequence[str]) -> str:
    # What stands at the two ends of a row is two words.
    # A row with a star is the name of a step; what follows says why it is not offered.
    return "\n".join("" if row.startswith("*") else bare(row.strip().replace("  ", "\t"))
                     for row in rows)


@functools.cache
def pattern(words: str) -> re.Pattern[str]:
    """Finds ``words`` in rows that are ``bare`` and joined by line ends."""
    parts = []
    for piece in _VALUE.split(words.replace("\n", "")):
        if piece == "%s":
            parts.append(r"[^\n]+?\n?")
        elif _VALUE.fullmatch(piece):
            width = piece[2:-1] if piece.startswith("%0") else ""
            parts.append(rf"\d{{{width}}}\n?" if width else r"\d+\n?")
        else:
            parts += [re.escape(character) + r"\n?" for character in bare(piece)]
    return re.compile(f"(?m)^{''.join(parts).removesuffix('?').removesuffix(chr(92) + 'n')}$")


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], Text], ...]:
    # The longest first: a text may lie within another one.
    found = [(pattern(words), text) for text in claiming() for words in text.words if bare(words)]
    return tuple(sorted(found, key=lambda item: -len(item[0].pattern)))


@functools.lru_cache(8192)
def found_in(rows: tuple[str, ...]) -> tuple[Text, ...]:
    """The claims that ``rows`` make, each text once, in no order."""
    page = _page(rows)
    found = {}
    for shape, text in _patterns():
        match = shape.search(page)
        if match is not None:
            found[text.claim, text.name] = text
            page = page[:match.start()] + "\0" * (match.end() - match.start()) + page[match.end():]
    return tuple(found.values())


@functools.cache
def states() -> dict[str, Text]:
    """The words of a transaction's state, bare, in both languages, and what they claim."""
    return {bare(words): text for text in claiming() if text.name.startswith("state_")
            for words in text.words}


@functools.cache
def words_of(*names: str) -> tuple[str, ...]:
    """The bare words of these texts in both languages."""
    return tuple(bare(words) for name in names for words in strings()[name])


def says(rows: Sequence[str], *names: str) -> bool:
    """Is one of these texts on the panel, whole?"""
    page = _page(rows)
    return any(pattern(words).search(page) for name in names for words in strings()[name])
