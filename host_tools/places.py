"""Where the files lie that run on the device: in the checkout, or in the installed package.

A wheel carries ``firmware/`` and ``boards/`` inside itself (setup.py puts them there), so that the
bench works for people who have only installed it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "device"

# The folder that has firmware/ and boards/ in it.
ROOT = _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent
# Is this the checkout of a developer, with tests, documents and pins?
IS_CHECKOUT = ROOT != _INSIDE


def language() -> str:
    """The language of whoever sits here, "zh" or "en", as LC_ALL, LC_MESSAGES or LANG say."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
