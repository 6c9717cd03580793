"""Makes the flash images of a provisioned terminal by running the firmware's own provisioning."""

from __future__ import annotations

from typing import Any

from host_tools.bench import inprocess
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

MERCHANT_NAME = {"zh": DEFAULTS["merchant_name"], "en": "Mobi Corner Shop"}
_KNOWN_BESIDE = ("tmk", "batch", "trace", "now")

_made: dict[str, tuple[bytes, ...]] = {}


class ProvisioningFailed(ValueError):
    """The firmware refused to be set up like this; the text says why."""


def provision(journal: Nor, vault: Nor, options: dict[str, Any]) -> None:
    """Fill both regions as ``mobi flash`` would fill those of a new terminal."""
    options = dict(options, merchant_name=options["merchant_name"].encode("gbk").hex())
    key = f"{len(journal.mem)} {journal.unit} {sorted(options.items())}"
    if key not in _made:
        # On chips of its own: what a bench counts begins with the first power-on of its terminal.
        chips = [Nor(nor.size, unit=nor.unit) for nor in (journal, vault)]
        _provision(chips, options)
        _made[key] = tuple(bytes(chip.mem) for chip in chips)
    for nor, image in zip((journal, vault), _made[key], strict=True):
        nor.load(image)


def _provision(chips: list[Nor], options: dict[str, Any]) -> None:
    from host_tools.bench.rig import Rig

    kernel = Kernel()
    board = inprocess.board(kernel, Rig(kernel, chips[0], chips[1], seed=0))
    settings = inprocess.firmware("mobi.settings")
    module = inprocess.firmware("mobi.provision")
    try:
        module.provision(board, options)
    except KeyError as error:
        raise ProvisioningFailed(
            f"the terminal has no parameter {error.args[0]!r}; they stand in the table of "
            + f"firmware/mobi/settings.py, and beside them there are {', '.join(_KNOWN_BESIDE)}"
        ) from error
    except settings.BadValue as error:
        raise ProvisioningFailed(f"a parameter does not fit: {error}") from error
    except (ValueError, TypeError, module.Refused) as error:
        raise ProvisioningFailed(f"the firmware refused these parameters: {error!r}") from error
