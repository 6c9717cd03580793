"""What the firmware needs on a Raspberry Pi Pico: the image of `make uf2` on an emulated RP2040.

Heap and loop are what the firmware itself measures when the pin MEASURE rises; garbage is collected
before. Times are the emulated chip's, sizes are bytes. Without an image nothing is measured.

`python -m host_tools.measure.pico --transactions 200 --docs` writes the table of docs/boards.md, in
three quarters of an hour; `make bench` looks for drift over 20 transactions only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from host_tools.acquirer.cards import TEST_CARDS, payment_code
from host_tools.bench import Bench, menu, pico, stories
from host_tools.flash import image
from host_tools.measure.terminal import until
from host_tools.places import ROOT

DESCRIPTIONS = {
    "pico.image_bytes": "flash that MicroPython and the frozen firmware take",
    "pico.boot_first_text_ms": "power-on to the first text on the panel, ms",
    "pico.boot_log_in_ms": "power-on to the log-in screen, ms",
    "pico.heap_bytes": "heap that MicroPython has in all",
    "pico.heap_free_boot": "heap free at the log-in screen",
    "pico.heap_free_idle": "heap free at the idle screen after a day",
    "pico.heap_free_least": "heap free at the deepest of the moments that were looked at",
    "pico.largest_free_boot": "largest free block at the log-in screen",
    "pico.largest_free_least": "smallest of the largest free blocks at those moments",
    "pico.stack_used": "C stack used at most; MicroPython refuses beyond 7,936",
    "pico.python_stack_used": "stack of Python functions used at most; it has 3,072",
    "pico.turn_boot_us": "longest turn of the loop while booting, us",
    "pico.turn_sale_us": "longest turn of the loop in sign-on and sale, us",
    "pico.turn_settle_us": "longest turn of the loop in void and settlement, us",
    "pico.sale_ms": "last key of a sale to 'approved' on the panel, ms (the acquirer takes 50)",
    "pico.drift_transactions": "transactions of the drift below",
    "pico.drift_bytes": "heap free after the first ten of them, less after the last",
    "pico.drift_largest_free": "largest free block after the last",
}
GOALS = {
    "pico.image_bytes": "<= 1048576",
    "pico.heap_free_idle": ">= 120000",
    "pico.heap_free_least": ">= 100000",
    "pico.stack_used": "<= 7000",
    "pico.python_stack_used": "<= 2048",
}
DOCS = ROOT / "docs" / "boards.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def measure(transactions: int = 20) -> dict[str, float]:
    """A day, and ``transactions`` more sales; {} with a word to the person without an image."""
    try:
        path = pico.image_path()
    except pico.NoImage as error:
        _say(f"nothing measured on the Pico: {error}")
        return {}
    found: dict[str, float] = {}
    facts = image.facts_of(path)
    if facts:
        found["pico.image_bytes"] = facts["bytes"]
    with Bench(board="pico", settings={"copies": 1}) as b:
        found |= _day(b)
    with Bench(board="pico", settings={"copies": 1}) as b:
        found |= drift(b, transactions)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _day(b: Bench) -> dict[str, float]:
    found: dict[str, float] = {}
    moments: dict[str, dict[str, Any]] = {}

    def look(moment: str) -> dict[str, Any]:
        moments[moment] = now = b.measure()
        _say(f"  {moment:<24} {now['heap_free']:>8,} free, {now['largest_free']:>7,} in one piece,"
             + f" longest turn {now['longest_turn_us'] / 1000:.0f} ms ({now['longest_turn']})")
        return now

    b.board.power_on()
    # In small steps: `wait_until` looks only when the processor sleeps, and booting it does not.
    until(b, lambda: "".join(b.screen()).strip() != "")
    found["pico.boot_first_text_ms"] = b.clock.seconds * 1000
    until(b, lambda: menu.is_log_in(b))
    found["pico.boot_log_in_ms"] = b.clock.seconds * 1000
    boot = look("log-in")
    found["pico.heap_bytes"] = boot["heap_free"] + boot["heap_used"]
    found["pico.heap_free_boot"] = boot["heap_free"]
    found["pico.largest_free_boot"] = boot["largest_free"]
    found["pico.turn_boot_us"] = boot["longest_turn_us"]

    b.sign_on()
    b.swipe(stories.CARD)
    look("amount")
    b.press("ENTER")
    b.type("1234")
    b.press("ENTER")
    b.type(stories.PIN)
    look("pin")
    b.line.delay_next("reply", 2)
    b.touch("ENTER")
    b.clock.advance(1)
    look("waiting for the reply")
    b.wait_for("交易成功")
    look("printing")
    stories.finish(b)
    sale = max(moments[name]["longest_turn_us"] for name in list(moments)[1:])
    began = _type_sale(b)
    b.wait_for("交易成功")
    found["pico.sale_ms"] = b.clock.seconds * 1000 - began
    stories.finish(b)
    found["pico.turn_sale_us"] = max(sale, look("after two sales")["longest_turn_us"])

    stories.void_last(b, stories.SECOND_CARD)
    after = len(moments)
    look("after a void")
    for entry in ("按凭证号查询", "未完成交易"):
        b.choose(entry)
        look(entry)
        b.to_idle()
    b.choose("结算")
    look("before settlement")
    b.host.personality("settles-wrong")
    b.host.rule("upload", delay=2.0)
    b.press("ENTER", "ENTER")
    b.wait_for("批上送", timeout=60)
    look("batch upload")
    b.wait_for("打印交易明细?", timeout=900)
    look("settled")
    b.press("ENTER")
    b.to_idle()
    idle = look("idle")
    later = list(moments.values())[after:]
    found["pico.turn_settle_us"] = max(now["longest_turn_us"] for now in later)
    found["pico.heap_free_idle"] = idle["heap_free"]
    found["pico.heap_free_least"] = min(now["heap_free"] for now in moments.values())
    found["pico.largest_free_least"] = min(now["largest_free"] for now in moments.values())
    found["pico.stack_used"] = idle["stack_used"]
    found["pico.python_stack_used"] = idle["python_stack_used"]
    return found


def _type_sale(b: Bench) -> float:
    # A sale up to its last key; when that was pressed, in ms.
    b.swipe(stories.SECOND_CARD)
    b.press("ENTER")
    b.type("700")
    b.press("ENTER")
    b.type(stories.PIN)
    b.touch("ENTER")
    return b.clock.seconds * 1000


def drift(b: Bench, transactions: int) -> dict[str, float]:
    """What so many sales leave behind on the heap of ``b``, which is switched off."""
    b.power_on()
    b.sign_on()
    first: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for count in range(1, transactions + 1):
        stories.sale_by_code(b, 100 + count, payment_code(TEST_CARDS[0], count))
        if count % 10 == 0 or count == transactions:
            now = b.measure()
            first = first or now
            _say(f"  {count:>4} transactions: {now['heap_free']:>8,} free, "
                 + f"{now['largest_free']:>7,} in one piece")
    return {
        "pico.drift_transactions": transactions,
        "pico.drift_bytes": first["heap_free"] - now["heap_free"],
        "pico.drift_largest_free": now["largest_free"],
    }


def table(found: dict[str, float]) -> str:
    """The measurements as a table for docs/boards.md."""
    lines = ["| What | Measured |", "|---|---:|"]
    lines += [f"| {DESCRIPTIONS[name]} | {round(value):,} |" for name, value in found.items()]
    return "\n".join(lines)


def write_docs(found: dict[str, float], path: Path = DOCS) -> None:
    """Replace the table in docs/boards.md."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{table(found)}\n{_END}{after}", encoding="utf-8")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the Pico's image.")
    parser.add_argument("--transactions", type=int, default=20)
    parser.add_argument("--docs", action="store_true", help="write the table in docs/boards.md")
    args = parser.parse_args()
    found = measure(args.transactions)
    print(table(found))
    if args.docs and found:
        write_docs(found)
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
