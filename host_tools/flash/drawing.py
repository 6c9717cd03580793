"""Draws docs/pictures/wiring-pico.svg from the wiring that bench and board share.

    python -m host_tools.flash.drawing [--check]
"""

from __future__ import annotations

import argparse
import csv
import sys
from html import escape

from host_tools.bench import keypad
from host_tools.places import ROOT

PICTURE = ROOT / "docs" / "pictures" / "wiring-pico.svg"
_PINS = ROOT / "boards" / "rpi_pico" / "pins.csv"

# What stands beside the Pico's 40 pads; GPIO numbers where it is one.
_LEFT = (0, 1, "GND", 2, 3, 4, 5, "GND", 6, 7, 8, 9, "GND", 10, 11, 12, 13, "GND", 14, 15)
_RIGHT = ("VBUS", "VSYS", "GND", "EN", "3V3", "VREF", 28, "GND", 27, 26, "RUN", 22, "GND", 21, 20,
          19, 18, "GND", 17, 16)
# Nets by their name in pins.csv: what they lead to, and the colour of the wire.
_LEADS = {
    "PRINTER_TX": ("printer RX", "#b5502c"),
    "AUX_RX": ("printer TX, reader TX, scanner TX: a Schottky diode each, 10 kΩ to 3V3", "#b5502c"),
    "PANEL_SDA": ("SSD1306 SDA", "#2c6fb5"),
    "PANEL_SCL": ("SSD1306 SCL", "#2c6fb5"),
    "HOST_TX": ("USB-serial adapter RXD, to the acquirer", "#2c8a4b"),
    "HOST_RX": ("USB-serial adapter TXD", "#2c8a4b"),
    "BEEPER": ("piezo beeper (active) to GND", "#7a4fb0"),
    "MEASURE": ("to 3V3 for a moment: heap and loop on the console", "#777777"),
    **{f"ROW{n}": (f"keypad row {n}", "#a8841a") for n in range(len(keypad.LAYOUT))},
    **{f"COLUMN{n}": (f"keypad column {n}", "#1a8f98") for n in range(len(keypad.LAYOUT[0]))},
}
_POWER = {
    "VBUS": "5 V for reader and scanner; the printer has a supply of its own",
    "3V3": "SSD1306 VCC",
}
_STEP = 26
_TOP = 60
_PICO_X, _PICO_WIDTH = 560, 200
_WIDTH = 1240


def nets() -> dict[int, str]:
    """The name of each GPIO that is used, from the board's pins.csv."""
    with _PINS.open(encoding="utf-8") as file:
        return {int(pin.removeprefix("GPIO")): name for name, pin in csv.reader(file)}


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 13) -> str:
    return (f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}">{escape(text)}'
            + "</text>")


def _pads(side: tuple[int | str, ...], names: dict[int, str], left: bool) -> list[str]:
    parts = []
    for number, pad in enumerate(side):
        y = _TOP + 24 + number * _STEP
        edge = _PICO_X if left else _PICO_X + _PICO_WIDTH
        out = -1 if left else 1
        physical = number + 1 if left else 40 - number
        label = f"GP{pad}" if isinstance(pad, int) else pad
        parts.append(f'<circle cx="{edge}" cy="{y}" r="5" fill="#d8b64a" stroke="#333"/>')
        inner = "start" if left else "end"
        parts.append(_text(edge - out * 12, y + 4, f"{label}", inner))
        parts.append(_text(edge - out * 62, y + 4, f"{physical}", inner, 10))
        name = names.get(pad, "") if isinstance(pad, int) else ""
        leads, colour = _LEADS.get(name, (_POWER.get(str(pad), ""), "#333333"))
        if leads:
            end = edge + out * 70
            parts.append(f'<path d="M{edge + out * 5} {y}H{end}" stroke="{colour}" '
                         + 'stroke-width="3"/>')
            parts.append(_text(end + out * 8, y + 4, leads, "end" if left else "start"))
    return parts


def _matrix(top: int) -> list[str]:
    # The keypad: its rows and columns and the keys where they cross.
    left, across, down = 330, 130, 40
    parts = [_text(left - 190, top - 26, "Keypad, a matrix without diodes, seen from the front")]
    rows, columns = len(keypad.LAYOUT), len(keypad.LAYOUT[0])
    for column in range(columns):
        x = left + column * across
        colour = _LEADS[f"COLUMN{column}"][1]
        parts.append(f'<path d="M{x} {top}V{top + rows * down}" stroke="{colour}" '
                     + 'stroke-width="2"/>')
        parts.append(_text(x, top - 6, f"column {column}", "middle", 11))
    for row, keys in enumerate(keypad.LAYOUT):
        y = top + 24 + row * down
        colour = _LEADS[f"ROW{row}"][1]
        parts.append(f'<path d="M{left - 60} {y}H{left + (columns - 1) * across + 40}" '
                     + f'stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(left - 68, y + 4, f"row {row}", "end", 11))
        for column, key in enumerate(keys):
            x = left + column * across
            parts.append(f'<rect x="{x - 36}" y="{y - 13}" width="72" height="26" rx="5" '
                         + 'fill="#ffffff" stroke="#333"/>')
            parts.append(_text(x, y + 4, key, "middle", 12))
    return parts


def drawing() -> str:
    """The picture as SVG."""
    names = nets()
    unknown = sorted(set(names.values()) - set(_LEADS) - {"LED"})
    if unknown:
        raise ValueError(f"the drawing does not know where {', '.join(unknown)} leads to")
    pico_height = 20 * _STEP + 24
    matrix_top = _TOP + pico_height + 90
    height = matrix_top + len(keypad.LAYOUT) * 40 + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        + f'width="{_WIDTH}" height="{height}" font-family="sans-serif" fill="none">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fbfaf7"/>',
        '<g fill="#222">',
        _text(30, 36, "Mobi on a Raspberry Pi Pico: GPIO, pad number, and what each leads to",
              size=18),
        "</g>",
        f'<rect x="{_PICO_X}" y="{_TOP}" width="{_PICO_WIDTH}" height="{pico_height}" rx="10" '
        + 'fill="#2f6b45" stroke="#1c3f29"/>',
        f'<rect x="{_PICO_X + 70}" y="{_TOP - 14}" width="60" height="26" rx="3" fill="#bbbbbb"/>',
        '<g fill="#111">',
    ]
    pads = _pads(_LEFT, names, True) + _pads(_RIGHT, names, False)
    inside = [p.replace("<text ", '<text fill="#ffffff" ', 1) if _is_inside(p) else p for p in pads]
    parts += inside
    parts += _matrix(matrix_top)
    parts += ["</g>", "</svg>"]
    return "\n".join(parts) + "\n"


def _is_inside(part: str) -> bool:
    if not part.startswith("<text"):
        return False
    x = float(part.split('"')[1])
    return _PICO_X < x < _PICO_X + _PICO_WIDTH


def main() -> int:
    """The command line; 1 when ``--check`` finds another picture."""
    parser = argparse.ArgumentParser(description="Draw the Pico's wiring.")
    parser.add_argument("--check", action="store_true", help="only look whether it is current")
    args = parser.parse_args()
    if args.check:
        same = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawing()
        return 0 if same else 1
    PICTURE.write_text(drawing(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
