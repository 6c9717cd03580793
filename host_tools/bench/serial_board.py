"""A real terminal at a serial port: the bench's acquirer on its line, a person at its keys.

    with Bench(board="/dev/ttyUSB0") as b: ...
    python -m host_tools.bench.serial_board /dev/ttyUSB0

The port is the adapter at the terminal's host line (GP8 and GP9, docs/boards.md). Acquirer, line
faults, rules, trace and books work as on every bench. Nothing leads from here to keypad, reader,
panel, printer and flash: what needs them says so. The command walks a person through a day, step
by step, and checks each step at the acquirer.
"""

from __future__ import annotations

import argparse
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from host_tools.bench import wiring
from host_tools.bench.kernel import NEVER, Kernel
from host_tools.bench.outside import SerialPort

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench
    from host_tools.bench.rig import Rig

_LOOK_S = 0.05
_PATIENCE_S = 300.0
_ANSWER_S = 2.0  # in which the answer to what was seen gets to the terminal


class NoWires(RuntimeError):
    """The bench has no wires to that part of a real terminal; the text says what to do."""


class SerialBoard:
    """The board at ``name``. It has its own power switch; time goes as fast as on the wall."""

    def __init__(self, name: str, kernel: Kernel, rig: Rig) -> None:
        self.name = name
        self.kernel = kernel
        self.rig = rig
        self.powered = False
        self.halted = False
        self._port: SerialPort | None = SerialPort(name, wiring.HOST_BAUD)
        self._began_s = time.monotonic()

    def power_on(self) -> None:
        """From now on the line is listened to. The terminal's own switch is the person's."""
        self.powered = True
        self._began_s = time.monotonic() - self.kernel.now_us / 1e6

    def power_off(self) -> None:
        """Let the port go."""
        self.powered = False
        if self._port is not None:
            self._port.close()
            self._port = None

    def run(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Serve the line in real time until ``until_us`` or until ``stop()`` holds."""
        while True:
            if self._port is not None:
                data = self._port.read()
                if data:
                    self.rig.uart(wiring.UART_HOST, data)
                now = int((time.monotonic() - self._began_s) * 1e6)
                self.kernel.run_due(min(now, until_us))
            if (stop is not None and stop()) or self.kernel.now_us >= until_us:
                return
            if self._port is None:
                self.kernel.run_due(until_us)
                continue
            left = (min(self.kernel.next_at(), until_us) - self.kernel.now_us) / 1e6
            select.select([self._port], [], [], min(max(left, 0.0), _LOOK_S))

    def next_wake_at(self) -> int:
        """It wakes itself up."""
        return NEVER

    def uart_in(self, port: int, data: bytes) -> None:
        """Bytes for the terminal: those of the acquirer go out, there is no wire for others."""
        if port != wiring.UART_HOST:
            raise NoWires(f"no wire leads to the card reader of {self.name}: swipe by hand")
        if self._port is not None:
            self._port.write(data)

    def set_contacts(self, pairs: list[tuple[int, int]]) -> None:
        """Only a person can press a key of it."""
        if pairs:
            raise NoWires(
                f"no wires lead to the keypad of {self.name}: press the key by hand, or walk "
                + f"through a day with: python -m host_tools.bench.serial_board {self.name}"
            )

    def measure(self) -> dict[str, str]:
        """Nothing: connect the MEASURE pin and read the terminal's own console."""
        return {}


@dataclass(frozen=True)
class Step:
    """What the person does, and what must be true at the acquirer afterwards (None: look)."""

    do: str
    see: str
    done: Callable[[Bench], bool] | None = None


def _has(operation: str, verdict: str) -> Callable[[Bench], bool]:
    def done(b: Bench) -> bool:
        return any(e.operation == operation and verdict in e.verdict for e in b.trace())

    return done


def _states(*wanted: str) -> Callable[[Bench], bool]:
    return lambda b: [t.state for t in b.host.ledger().transactions] == list(wanted)


# A new terminal's first day. Cards: any magnetic card whose number `mobi host --cards` lists; the
# reader of a test bench types such numbers.
SCRIPT = (
    Step("Switch the terminal on.", "操作员登录 is on the panel."),
    Step("Type 01, ENTER, 0000, ENTER; any key if it asks for one.", "签到成功, then 请刷卡.",
         _has("sign-on", "signed on")),
    Step("Swipe the test card 6222021234567890128, ENTER, type 500, ENTER, 123456, ENTER.",
         "交易成功 and RMB 5.00; two slips come out.", _states("approved")),
    Step("Press 末笔 (LAST), type 123456, ENTER, ENTER, swipe the same card, ENTER, type 123456, "
         + "ENTER.", "交易成功; two slips of a void.", _states("voided", "approved")),
    Step("Begin a sale of 7.00 the same way, but pull the power plug as soon as the panel shows "
         + "正在发送 (the acquirer takes ten seconds now). Then switch on and log in.",
         "未完成交易: 1 on the idle screen.", _states("voided", "approved", "approved")),
    Step("Make a sale of 3.00.", "The reversal goes first, then 交易成功.",
         _states("voided", "approved", "reversed", "approved")),
    Step("Settle: ENTER, 结算, ENTER, ENTER, CANCEL.", "对账平 on the settlement slip.",
         _has("upload-end", "0 differences")),
)
_SLOW_STEP = 4  # in which the acquirer takes its time


def walk(b: Bench, script: Sequence[Step] = SCRIPT, say: Callable[[str], None] = print) -> int:
    """Take a person through ``script``; how many steps were not seen at the acquirer."""
    b.power_on()
    missed = 0
    for number, step in enumerate(script):
        say(f"\n{number + 1} of {len(script)}: {step.do}\n   Look for: {step.see}")
        if number == _SLOW_STEP:
            b.line.delay_next("reply", 10)
        if step.done is None:
            continue
        b.board.run(b.kernel.now_us + round(_PATIENCE_S * 1e6), partial(step.done, b))
        if step.done(b):
            say("   the acquirer has seen it")
            b.clock.advance(_ANSWER_S)
        else:
            missed += 1
            say(f"   NOT SEEN in {_PATIENCE_S:g} s. The last messages:")
            for entry in b.trace()[-4:]:
                say(f"      {entry}")
    b.host.ledger().check()
    say(f"\n{len(script) - missed} of {len(script)} steps good; the acquirer's books add up")
    return missed


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 1 when a step was not seen."""
    from host_tools.bench import Bench
    from host_tools.bench.line import LineError

    parser = argparse.ArgumentParser(description="Walk through a day on a real terminal.")
    parser.add_argument("port", help="serial port of the terminal's host line, /dev/ttyUSB0")
    parser.add_argument("--keep", type=Path, help="folder for the trace")
    args = parser.parse_args(argv)
    try:
        with Bench(board=args.port) as b:
            missed = walk(b)
            if args.keep:
                b.save(args.keep)
    except LineError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
