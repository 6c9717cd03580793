"""Evidence about one transaction (交易证据): what terminal, host, line and paper say of it.

`mobi evidence` and ``Bench.evidence`` are the two ways in; docs/evidence.md describes the bundle.
"""

from host_tools.evidence.bundle import PAGE, verify, write
from host_tools.evidence.collect import NothingFound, Sources, collect

__all__ = ["PAGE", "NothingFound", "Sources", "collect", "verify", "write"]
