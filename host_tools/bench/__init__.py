"""The bench: a terminal with everything around it, driven from Python. See ``Bench``."""

from host_tools.bench.bench import Bench, Timeout

__all__ = ("Bench", "Timeout")
