"""The bench: a terminal with everything around it, driven from Python. See ``Bench``.

``Bench`` and ``Timeout`` are imported when they are first asked for: pytest imports this package in
every run of an environment that has it, also where no test uses a bench.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench, Timeout

__all__ = ("Bench", "Timeout")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from host_tools.bench import bench

    return getattr(bench, name)
