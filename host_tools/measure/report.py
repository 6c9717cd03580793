"""What measurements say to people: the table of `mobi bench` and that of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_WIDTH = 38  # of a name


class Part(Protocol):
    """A module that measures. Its docstring says what and how."""

    __doc__: str | None
    # What each number means, by its name in bench.json.
    DESCRIPTIONS: Mapping[str, str]

    def measure(self) -> dict[str, float]:
        """All numbers of this part."""


def goals(part: Part) -> dict[str, str]:
    """What the numbers should be, by name: "<= 1.15" or ">= 220"; most have no goal."""
    return dict(getattr(part, "GOALS", {}))


def baselines(part: Part) -> dict[str, str]:
    """Others that are measured in the same run, by name: ``part.NAME.x`` stands beside
    ``part.x``."""
    return dict(getattr(part, "BASELINES", {}))


def is_met(value: float, goal: str) -> bool:
    """Does ``value`` reach ``goal``?"""
    sign, _, limit = goal.partition(" ")
    return value <= float(limit) if sign == "<=" else value >= float(limit)


def number(value: float) -> str:
    """For people: thousands apart, three digits behind the point where they say something."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _beside(name: str, part: Part) -> list[tuple[str, str]]:
    # (baseline, its number of the same kind) for a number of ours.
    area, _, what = name.partition(".")
    found = [(store, f"{area}.{store}.{what}") for store in baselines(part)]
    return [(store, other) for store, other in found if other in part.DESCRIPTIONS]


def _rows(part: Part) -> list[str]:
    # Names in the order of their descriptions; baselines stand beside ours.
    others = {other for name in part.DESCRIPTIONS for _, other in _beside(name, part)}
    return [name for name in part.DESCRIPTIONS if name not in others]


def table(part: Part, measured: Mapping[str, float]) -> list[str]:
    """The lines of a part: name, number, goal, whether it is met, meaning; baselines below."""
    lines = [(part.__doc__ or "").partition("\n")[0]]
    wanted = goals(part)
    for name in _rows(part):
        if name not in measured:
            continue
        goal = wanted.get(name, "")
        verdict = ("good" if is_met(measured[name], goal) else "MISS") if goal else ""
        lines.append(f"  {name:<{_WIDTH}} {number(measured[name]):>10}  {goal:<9} {verdict:<4}  "
                     + part.DESCRIPTIONS[name])
        told = [f"{store.replace('_', ' ')} {number(measured[other])}"
                for store, other in _beside(name, part) if other in measured]
        if told:
            lines.append(f"  {'':<{_WIDTH}} {'':>10}  beside it: {', '.join(told)}")
    return lines


def missed(part: Part, measured: Mapping[str, float]) -> list[str]:
    """The goals that are not met, as text."""
    return [f"{name} is {number(measured[name])}, goal {goal}"
            for name, goal in goals(part).items()
            if name in measured and not is_met(measured[name], goal)]


def markdown(part: Part) -> str:
    """What each number means and should be, as a table for the documentation."""
    wanted = goals(part)
    lines = ["| number | meaning | goal |", "|---|---|---|"]
    for name in _rows(part):
        meaning = part.DESCRIPTIONS[name].replace("|", "\\|")
        lines.append(f"| `{name}` | {meaning} | {wanted.get(name, '')} |")
    return "\n".join(lines)
