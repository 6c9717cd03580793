"""How quick, how idle and how large the whole terminal is, on the bench's unix board.

Times of the terminal are virtual: buses, flash and timers take what they take on a board, Python
takes nothing. What Python takes is measured beside it, as processor time of the unix port; on an
RP2040 it is some 60 times as much (`pico.*` has that). The heap is the bench's: 64-bit objects,
and the byte code, which is frozen into flash on a board, lies on it.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

from host_tools.bench import menu, stories
from host_tools.bench.bench import Bench

_SALES = 60
_IDLE_MIN = 60
_STEP_US = 250  # how finely a wait is timed

DESCRIPTIONS = {
    "boot_ms": "power-on to a quiet log-in screen, real time, compiling the firmware anew, median",
    "boot_bus_ms": "power-on to the log-in screen: what buses, flash and waits take",
    "loop.longest_turn_ms": "longest turn of the loop in a day: two erases in a settlement",
    "loop.idle_share": "share of an idle hour in which the processor sleeps, unix port",
    "loop.idle_turns_per_min": "turns of the loop in a minute of idling",
    "ui.key_to_pixels_ms": "finger on a digit key to the digit on the panel, debounced, median",
    "ui.key_to_pixels_ms_max": "the same, the slowest",
    "heap.free_idle": "bytes free on the idle screen, of the bench's heap of 1200 KiB",
    "heap.free_deepest": "bytes free at the deepest place of a day with a batch upload",
    "heap.used_deepest": "bytes that the deepest place takes more than the idle screen",
    "heap.drift_per_sale": f"bytes the idle heap grows with each sale, over {_SALES} of them",
    "sale.approval_ms": "last key of a sale to 'approved': line, flash, 50 ms of the acquirer",
    "sale.real_ms": "a whole sale on the bench, 15 keys and two copies, real time, median",
    "bench.time_gain": "virtual seconds that pass in a real second while selling",
}
GOALS = {
    "boot_ms": "<= 1000",
    "loop.longest_turn_ms": "<= 110",
    "loop.idle_share": ">= 0.99",
    "ui.key_to_pixels_ms_max": "<= 50",
    "heap.used_deepest": "<= 60000",
    "heap.drift_per_sale": "<= 0",
    "sale.approval_ms": "<= 250",
}


def measure() -> dict[str, float]:
    """All numbers of this part; see ``DESCRIPTIONS``."""
    return {**_boot(), **_idle(), **_keys(), **_day(), **_sales()}


def until(bench: Bench, condition: Callable[[], bool]) -> float:
    """Milliseconds of virtual time until ``condition()`` holds, looked at in small steps."""
    began = bench.kernel.now_us
    while not condition():
        if bench.kernel.now_us - began > 60_000_000:
            raise RuntimeError(f"waited a minute; the panel shows {bench.screen()}")
        bench.run_to(bench.kernel.now_us + _STEP_US)
    return (bench.kernel.now_us - began) / 1000


def _signed_on(bench: Bench) -> Bench:
    bench.power_on()
    bench.sign_on()
    return bench


def _boot() -> dict[str, float]:
    real = []
    for _ in range(5):
        with Bench() as bench:
            began = time.perf_counter()
            bench.power_on()
            real.append((time.perf_counter() - began) * 1000)
    with Bench() as bench:
        bench.board.power_on()
        return {
            "boot_ms": statistics.median(real),
            "boot_bus_ms": until(bench, lambda: menu.is_log_in(bench)),
        }


def _processor_s() -> float:
    # Of all terminals that have ended.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _idle() -> dict[str, float]:
    spent = []
    for minutes in (0, _IDLE_MIN):
        began = _processor_s()
        with Bench() as bench:
            _signed_on(bench)
            before = bench.measure()["turns"]
            bench.clock.advance(60 * minutes)
            turns = bench.measure()["turns"] - before
        spent.append(_processor_s() - began)
    return {
        "loop.idle_share": 1 - (spent[1] - spent[0]) / 60 / _IDLE_MIN,
        "loop.idle_turns_per_min": turns / _IDLE_MIN,
    }


def _keys() -> dict[str, float]:
    took = []
    with Bench() as bench:
        _signed_on(bench)
        bench.swipe(stories.CARD)
        bench.press("ENTER")
        shown = ""
        for digit in "123456789":
            shown += digit
            amount = f"{int(shown) / 100:,.2f}"
            bench.touch(digit)
            took.append(until(bench, lambda text=amount: bench.shows(text)))  # type: ignore[misc]
            bench.clock.advance(0.3)
    return {"ui.key_to_pixels_ms": statistics.median(took), "ui.key_to_pixels_ms_max": max(took)}


def _day() -> dict[str, float]:
    free = []

    def look() -> int:
        free.append(int(bench.measure()["heap_free"]))
        return free[-1]

    def look_until(text: str) -> None:
        # While the request is under way, the reply is checked, the slip is printed.
        for _ in range(200):
            if bench.shows(text):
                break
            bench.clock.advance(0.02)
            look()
        bench.wait_for(text)
        look()

    with Bench() as bench:
        _signed_on(bench)
        idle = look()
        bench.swipe(stories.CARD)
        look()
        bench.press("ENTER")
        bench.type("1250")
        bench.press("ENTER")
        look()
        bench.type(stories.PIN)
        bench.touch("ENTER")
        look_until(stories.text(bench, "approved"))
        stories.finish(bench)
        bench.press("LAST")
        bench.type(stories.SUPERVISOR)
        bench.press("ENTER")
        look()
        stories.void_goes_on(bench)
        stories.finish(bench)
        bench.line.drop_next("reply")
        stories.sale(bench, 2000, wait=False)
        look_until("L1")
        bench.to_idle()
        bench.choose(stories.text(bench, "unfinished"))
        look()
        bench.press("ENTER")
        look()
        bench.to_idle()
        for amount in (1000, 2000, 3000):
            stories.sale(bench, amount)
        bench.choose(stories.text(bench, "browse"))
        look()
        bench.to_idle()
        bench.host.rule("settlement", verdict="2")
        bench.choose(stories.text(bench, "settle"))
        bench.press("ENTER")
        look()
        bench.touch("ENTER")
        look_until(stories.text(bench, "print_details"))
        bench.press("ENTER")
        bench.to_idle()
        look()
        longest = bench.measure()["longest_turn_us"]
    return {
        "heap.free_idle": idle,
        "heap.free_deepest": min(free),
        "heap.used_deepest": idle - min(free),
        "loop.longest_turn_ms": longest / 1000,
    }


def _sales() -> dict[str, float]:
    with Bench() as bench:
        _signed_on(bench)
        stories.sale(bench, 100)  # what is made once is there after the first
        before = bench.measure()["heap_free"]
        real, began = [], bench.clock.seconds
        for number in range(_SALES):
            start = time.perf_counter()
            stories.sale(bench, 200 + number)
            real.append((time.perf_counter() - start) * 1000)
        virtual = bench.clock.seconds - began
        drift = (before - bench.measure()["heap_free"]) / _SALES
        bench.swipe(stories.CARD)
        bench.press("ENTER")
        bench.type("1250")
        bench.press("ENTER")
        bench.type(stories.PIN)
        bench.touch("ENTER")
        approval = until(bench, lambda: bench.shows(stories.text(bench, "approved")))
    return {
        "heap.drift_per_sale": drift,
        "sale.approval_ms": approval,
        "sale.real_ms": statistics.median(real),
        "bench.time_gain": virtual * 1000 / sum(real),
    }
