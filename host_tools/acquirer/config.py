"""Reads a host's configuration: terminals, cards, policy and rules from a JSON or TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from host_tools.acquirer.cards import NotATestCard, TestCard
from host_tools.acquirer.case import Policy, Terminal
from host_tools.acquirer.host import TEST_TERMINAL
from host_tools.acquirer.rules import Rule, RuleError, read_file, rules_in


class ConfigError(ValueError):
    """The configuration makes no sense; the text names file, part and choices."""


@dataclass
class Config:
    """What a file can say. Everything may be missing."""

    terminals: list[Terminal] = field(default_factory=list)
    cards: list[TestCard] = field(default_factory=list)
    policy: Policy = field(default_factory=Policy)
    rules: list[Rule] = field(default_factory=list)


def load(path: Path) -> Config:
    """Read ``path``; ``ConfigError`` says what is wrong and where.

    Top level: ``terminal``, ``card`` and ``rule`` are lists of tables, ``policy`` is a table.
    """
    try:
        data = read_file(path)
        unknown = set(data) - {"terminal", "card", "rule", "policy"}
        if unknown:
            raise ConfigError(f"{path}: unknown part {', '.join(sorted(unknown))}; there are " +
                              "terminal, card, rule and policy")
        return Config(
            [_terminal(item, f"{path}, terminal {at}")
             for at, item in enumerate(data.get("terminal", ()), 1)],
            [_card(item, f"{path}, card {at}") for at, item in enumerate(data.get("card", ()), 1)],
            _policy(data.get("policy", {}), f"{path}, policy"),
            rules_in(data, str(path)))
    except RuleError as error:
        raise ConfigError(str(error)) from None


def _known(item: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    unknown = set(item) - set(allowed)
    if unknown:
        raise ConfigError(f"{where}: unknown part {', '.join(sorted(unknown))}; there are " +
                          ", ".join(allowed))


def _terminal(item: Mapping[str, Any], where: str) -> Terminal:
    _known(item, ("terminal", "merchant", "tmk", "name"), where)
    try:
        return Terminal(
            str(item["terminal"]), str(item.get("merchant", TEST_TERMINAL.merchant)),
            bytes.fromhex(item["tmk"]) if "tmk" in item else TEST_TERMINAL.tmk,
            str(item.get("name", TEST_TERMINAL.name)))
    except KeyError as error:
        raise ConfigError(f"{where}: {error.args[0]} is missing") from None
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: tmk is 32 hex digits") from None


def _card(item: Mapping[str, Any], where: str) -> TestCard:
    _known(item, tuple(entry.name for entry in fields(TestCard)), where)
    try:
        return TestCard(**item)
    except NotATestCard as error:
        raise ConfigError(f"{where}: {error}") from None
    except TypeError:
        raise ConfigError(f"{where}: name and pan are needed, both as text") from None


def _policy(item: Mapping[str, Any], where: str) -> Policy:
    _known(item, tuple(entry.name for entry in fields(Policy)), where)
    return Policy(**item)
