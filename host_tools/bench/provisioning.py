"""Makes the flash images of a provisioned terminal by running the firmware's own provisioning."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from host_tools import micropython
from host_tools.bench.kernel import Kernel
from host_tools.bench.nor import Nor

# The terminal the acquirer's default configuration knows.
DEFAULTS = {
    "terminal": "00000001",
    "merchant": "123456789012345",
    "merchant_name": "末笔便利店",
    "tmk": "0123456789ABCDEFFEDCBA9876543210",
    "batch": 1,
    "trace": 1,
    "now": 848620800,  # 2026-11-22, in seconds since 2000
}

_KNOWN_BESIDE = ("tmk", "batch", "trace", "now")

_made: dict[str, tuple[bytes, ...]] = {}


class ProvisioningFailed(ValueError):
    """The firmware refused to be set up like this; the text says why."""


def provision(journal: Nor, vault: Nor, options: dict[str, Any]) -> None:
    """Fill both regions as ``mobi flash`` would fill those of a new terminal."""
    from host_tools.bench.rig import Rig
    from host_tools.bench.unix import UnixBoard

    options = dict(options, merchant_name=options["merchant_name"].encode("gbk").hex())
    config = json.dumps(options, sort_keys=True, ensure_ascii=True)
    key = f"{len(journal.mem)} {journal.unit} {config}"
    if key not in _made:
        # On chips of its own: what a bench counts begins with the first power-on of its terminal.
        chips = [Nor(nor.size, unit=nor.unit) for nor in (journal, vault)]
        with tempfile.TemporaryDirectory() as folder:
            kernel = Kernel()
            log = Path(folder) / "log"
            rig = Rig(kernel, chips[0], chips[1], seed=0)
            rig.board = board = UnixBoard(kernel, rig, log)
            # In a file: MicroPython takes arguments of up to 255 bytes only.
            given = Path(folder) / "options.json"
            given.write_text(config, encoding="ascii")
            board.power_on("boards/unix/provision.py", str(given))
            board.run(60_000_000, stop=lambda: board.halted)
            board.power_off()
            said = log.read_text(encoding="utf-8")
            if "provisioned" not in said:
                raise _failure(said)
        _made[key] = tuple(bytes(chip.mem) for chip in chips)
    for nor, image in zip((journal, vault), _made[key], strict=True):
        nor.load(image)


def _failure(said: str) -> Exception:
    if not said.strip():
        return micropython.NoMicroPython(
            f"{micropython.find()} ended without a word: it is no MicroPython that can run the "
            + "firmware. Unset MICROPYTHON, or name a unix port; `mobi doctor` tells more."
        )
    last = said.strip().splitlines()[-1]
    if last.startswith("KeyError"):
        name = last.partition(":")[2].strip().strip("'")
        return ProvisioningFailed(
            f"the terminal has no parameter {name!r}; they stand in the table of "
            + f"firmware/mobi/settings.py, and beside them there are {', '.join(_KNOWN_BESIDE)}"
        )
    if last.startswith("BadValue"):
        return ProvisioningFailed(f"a parameter does not fit: {last.partition(':')[2].strip()}")
    return ProvisioningFailed(f"the firmware refused these parameters:\n{said.strip()}")
