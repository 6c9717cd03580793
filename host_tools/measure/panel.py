"""What a key press costs on the display's I2C bus: the real screens and driver under MicroPython.

The firmware's writes are recorded step by step and replayed into the bench's panel, which counts
bytes and time and whose pixels must show what was typed. The baseline is what MicroPython's stock
`ssd1306.py` does for any change: six commands and the whole memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from dataclasses import dataclass, field

from host_tools import micropython
from host_tools.bench.panel import Panel
from host_tools.places import ROOT

DESCRIPTIONS = {
    "ui.bytes_per_key": "I2C bytes a key costs while amounts, passwords and numbers are typed",
    "ui.bytes_per_menu_key": "I2C bytes an arrow key costs in a menu",
    "ui.bytes_full_refresh": "baseline: I2C bytes of sending the whole memory, as stock drivers do",
    "ui.bytes_per_key_ratio": "bytes_per_key / bytes_full_refresh",
    "ui.bus_us_per_key": "time of the bus at 400 kHz for such a key, us",
    "ui.bus_us_full_refresh": "baseline: time of the bus for the whole memory, us",
    "ui.bus_us_longest_step": "longest time one turn of the loop keeps the bus, us",
    "ui.bytes_new_screen": "I2C bytes of a whole new screen over another one",
    "ui.flush_cpu_us": "driver's own time for such a key, unix port, without the bus, us",
}
GOALS = {"ui.bytes_per_key_ratio": "<= 0.1", "ui.bus_us_longest_step": "<= 3000"}

# Runs under MicroPython: types into the dialogs and prints "w HEX" for a write, "s" for the end
# of a step, "k KIND" for the end of a key, "t US" for the driver's time in that key.
_SCRIPT = r"""
import time
from binascii import hexlify
from mobi.devices.ssd1306 import Ssd1306
from mobi.loop import Loop, Queue
from mobi.ui.dialogs import Dialogs
from mobi.ui.screen import Screen

class I2C:
    spent = 0
    def writeto(self, address, data):
        began = time.ticks_us()
        print("w", hexlify(data).decode())
        I2C.spent += time.ticks_diff(time.ticks_us(), began)

class Timed:
    def __init__(self, display):
        self.display, self.buffer, self.us = display, display.buffer, 0
    def flush_step(self):
        I2C.spent = 0
        began = time.ticks_us()
        more = self.display.flush_step()
        self.us += time.ticks_diff(time.ticks_us(), began) - I2C.spent
        print("s")
        return more

def nothing(*_): pass

display = Timed(Ssd1306(I2C()))
screen = Screen(display)
inputs = Queue(4)
loop = Loop(time, nothing)
loop.spawn("screen", screen.run())
ui = Dialogs(screen, inputs, nothing, nothing)

def run(kind):
    display.us = 0
    while loop.turn():
        pass
    print("t", display.us)
    print("k", kind)

def talk(kind, dialog, keys):
    task = loop.spawn("dialog", dialog)
    run("screen")
    for key in keys:
        inputs.put(key)
        run(kind)
    print("x", "|".join(screen.rows))
    task.cancel()
    run("end")

for amount in ("1", "1250", "99900", "12345678"):
    talk("key", ui.amount("消费", "请输入金额"), amount)
talk("key", ui.digits("操作员", "请输入密码", 4, mask=True), "0000")
talk("key", ui.digits("消费撤销", "主管密码", 6, mask=True), "123456")
talk("key", ui.digits("消费撤销", "原凭证号", 6), "000123")
talk("key", ui.digits("退货", "原参考号", 12), "620012345678")
talk("menu", ui.choose("主菜单", ("消费", "撤销", "退货", "余额", "打印", "管理", "其他")),
     ("DOWN", "DOWN", "DOWN", "UP", "DOWN", "DOWN", "DOWN"))
"""


@dataclass
class _Replay:
    panel: Panel = field(default_factory=Panel)
    bytes_of: dict[str, list[int]] = field(default_factory=dict)
    us_of: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: list[int] = field(default_factory=list)
    longest_step_us: float = 0.0


def _run() -> list[str]:
    done = subprocess.run(
        [micropython.find(), "-c", _SCRIPT],
        env=dict(os.environ, MICROPYPATH=f"{ROOT}/firmware:.frozen"),
        capture_output=True, text=True, timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"the screens failed under MicroPython:\n{done.stdout[-2000:]}")
    return done.stdout.splitlines()


def _replay(lines: list[str]) -> _Replay:
    result = _Replay()
    panel = result.panel
    before_step = 0.0
    driver_us = 0
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "w":
            panel.i2c(panel.address, bytes.fromhex(rest))
        elif kind == "s":
            result.longest_step_us = max(result.longest_step_us, panel.bus_us - before_step)
            before_step = panel.bus_us
        elif kind == "t":
            driver_us = int(rest)
        elif kind == "k":
            result.bytes_of.setdefault(rest, []).append(panel.bytes)
            result.us_of.setdefault(rest, []).append(panel.bus_us)
            if rest == "key":
                result.cpu_us.append(driver_us)
            panel.clear_counts()
            before_step = 0.0
        elif kind == "x":
            shown = [row.rstrip() for row in rest.split("|")]
            if panel.text() != shown:
                raise RuntimeError(f"the panel shows {panel.text()} instead of {shown}")
    return result


def full_refresh() -> tuple[int, float]:
    """Bytes and microseconds of the baseline: a window over everything, then all of the memory."""
    panel = Panel()
    for command in (0x21, 0, 127, 0x22, 0, 7):
        panel.i2c(panel.address, bytes((0x80, command)))
    panel.i2c(panel.address, b"\x40" + bytes(1024))
    return panel.bytes, panel.bus_us


def measure() -> dict[str, float]:
    """All numbers of this part; see ``DESCRIPTIONS``."""
    replay = _replay(_run())
    full_bytes, full_us = full_refresh()
    per_key = statistics.mean(replay.bytes_of["key"])
    return {
        "ui.bytes_per_key": per_key,
        "ui.bytes_per_menu_key": statistics.mean(replay.bytes_of["menu"]),
        "ui.bytes_full_refresh": full_bytes,
        "ui.bytes_per_key_ratio": per_key / full_bytes,
        "ui.bus_us_per_key": statistics.mean(replay.us_of["key"]),
        "ui.bus_us_full_refresh": full_us,
        "ui.bus_us_longest_step": replay.longest_step_us,
        # The first screen comes after power-on and is a whole refresh by nature.
        "ui.bytes_new_screen": statistics.mean(replay.bytes_of["screen"][1:]),
        "ui.flush_cpu_us": statistics.median(replay.cpu_us),
    }
