"""The firmware's drivers against the bench's models, over adapters that know only wires."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.bench import keypad as keypad_model
from host_tools.bench.panel import Panel
from host_tools.bench.paper import Paper
from host_tools.bench.reader import Reader as ReaderModel
from mobi.devices import printer as p
from mobi.devices.keypad import Keypad
from mobi.devices.printer import Printer
from mobi.devices.reader import Reader
from mobi.devices.ssd1306 import Ssd1306
from mobi.devices.track2 import luhn
from mobi.loop import Event, Loop, Queue, sleep_ms
from mobi.ui import font
from mobi.ui.screen import Screen

BAUD = 19200
MASK = (1 << 30) - 1


class World:
    """Virtual time for a loop and for what happens around it."""

    def __init__(self) -> None:
        self.us = 1_000_000
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.loop = Loop(self, self.sleep)

    def ticks_ms(self) -> int:
        return (self.us // 1000) & MASK

    def ticks_us(self) -> int:
        return self.us & MASK

    def ticks_add(self, t: int, d: int) -> int:
        return (t + d) & MASK

    def ticks_diff(self, a: int, b: int) -> int:
        return ((a - b + (1 << 29)) & MASK) - (1 << 29)

    def at(self, us: int, action: Callable[[], None]) -> None:
        heapq.heappush(self.events, (us, next(self.order), action))

    def sleep(self, ms: int | None) -> None:
        until = None if ms is None else self.us + ms * 1000
        if self.events and (until is None or self.events[0][0] <= until):
            when, _, action = heapq.heappop(self.events)
            self.us = max(self.us, when)
            action()
        else:
            assert until is not None, "nobody would ever wake the loop"
            self.us = until

    def run(self, ms: int) -> None:
        async def end() -> None:
            await sleep_ms(ms)

        self.finish(end())

    def finish(self, coroutine: Coroutine) -> Any:
        return self.loop.run(self.loop.spawn("test", coroutine))


# -- display --------------------------------------------------------------------------------------


class I2C:
    """machine.I2C with a panel on it."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel

    def writeto(self, address: int, data: bytes) -> int:
        if not self.panel.i2c(address, bytes(data)):
            raise OSError(5)
        return len(data)


def make_display() -> tuple[Panel, Ssd1306, Screen]:
    panel = Panel(seed=1)
    display = Ssd1306(I2C(panel))
    return panel, display, Screen(display)


def flush(display: Ssd1306) -> None:
    while display.flush_step():
        pass


def test_what_the_screen_draws_is_what_the_panel_shows():
    panel, display, screen = make_display()
    screen.show("□ Mobi", ["Amount: 12.34", "", "99%"])
    flush(display)
    assert panel.lit
    assert [row.strip() for row in panel.text()] == ["□ Mobi", "Amount: 12.34", "", "99%"]
    assert panel.inverted(0) and not panel.inverted(1)
    assert panel.unknown == []


def test_every_character_of_the_firmware_is_read_back():
    panel, display, screen = make_display()
    table = font.glyphs.WIDE
    characters = [chr(table[i] << 8 | table[i + 1]) for i in range(0, len(table), 36)]
    for i in range(0, len(characters), 8):
        text = "".join(characters[i : i + 8])
        screen.row(i // 8 % 4, text, inverted=i % 3 == 0)
        flush(display)
        assert panel.text()[i // 8 % 4] == text


@settings(max_examples=60, deadline=None)
@given(st.lists(
    st.tuples(
        st.sampled_from(["draw", "flush", "step", "unplug", "plug", "refresh", "invert", "power"]),
        st.integers(0, 3),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=16),
        st.booleans(),
    ), max_size=40,
))
def test_in_the_end_the_panel_shows_the_screen_whatever_happened(steps):
    panel, display, screen = make_display()
    rows = [""] * 4
    for what, row, text, flag in steps:
        if what == "draw":
            screen.row(row, text, inverted=flag)
            rows[row] = text
        elif what == "flush":
            flush(display)
        elif what == "step":
            display.flush_step()
        elif what == "unplug":
            panel.unplug()
            display.flush_step()
        elif what == "plug":
            panel.plug()
        elif what == "refresh":
            panel.power_off()  # a dip of the supply that nobody noticed
            display.refresh()
        elif what == "invert":
            display.invert(flag)
        elif what == "power":
            display.power(flag)
    panel.plug()
    display.refresh()
    display.invert(False)
    display.power(True)
    flush(display)
    assert panel.lit
    assert panel.text() == [row.rstrip() for row in rows]
    assert display.present


def test_a_digit_costs_a_fraction_of_a_full_refresh():
    panel, display, screen = make_display()
    screen.show("Sale", ["Amount", "", ""])
    flush(display)
    panel.clear_counts()
    screen.right(3, "0.01")
    flush(display)
    assert panel.bytes < 110
    assert panel.text()[3].strip() == "0.01"


def test_no_step_blocks_the_bus_for_long():
    panel, display, screen = make_display()
    worst = 0.0
    for fill in ("#", "8", " "):
        for row in range(4):
            screen.row(row, fill * 16, inverted=row % 2 == 0)
        more = True
        while more:
            panel.clear_counts()
            more = display.flush_step()
            worst = max(worst, panel.bus_us)
    assert worst < 2500


# -- keypad ---------------------------------------------------------------------------------------


class Pin:
    """machine.Pin of a keypad line."""

    IN, OUT, IRQ_RISING = 0, 1, 8

    def __init__(self, pad: Pad, row: int | None, column: int | None) -> None:
        self.pad, self.row, self.column = pad, row, column
        self.mode, self.out = Pin.IN, 0
        self.handler: Callable[[Pin], None] | None = None
        self.seen = 0

    def init(self, mode: int, pull: int = -1, value: int | None = None) -> None:
        self.mode = mode
        self.out = self.out if value is None else value
        self.pad.settle()

    def value(self) -> int:
        return 1 if self.column in self.pad.high() else 0

    def irq(self, handler: Callable[[Pin], None] | None = None, trigger: int = 0) -> None:
        self.handler = handler
        self.seen = self.value()


class Pad:
    """The keypad model on the pins of a driver; the model raises on a short circuit."""

    def __init__(self) -> None:
        self.world = World()
        self.model = keypad_model.Keypad()
        self.rows = [Pin(self, row, None) for row in range(5)]
        self.columns = [Pin(self, None, column) for column in range(4)]
        self.queue = Queue(200)
        driver = Keypad(self.rows, self.columns, self.queue, self.world)
        self.world.loop.spawn("keypad", driver.run(), vital=True)
        self.world.run(1)

    def high(self) -> set[int]:
        driving = [row for row in self.rows if row.mode == Pin.OUT]
        high = {row.row for row in driving if row.out}
        low = {row.row for row in driving if not row.out}
        return self.model.high_columns(high, low, self.world.us)

    def settle(self) -> None:
        for pin in self.columns:
            if pin.handler is not None:
                level = pin.value()
                if level and not pin.seen:
                    pin.handler(pin)
                pin.seen = level

    def touch(self, us: int, name: str, down: bool, bounce: list[tuple[int, bool]]) -> None:
        def act() -> None:
            move = self.model.press if down else self.model.release
            move(name, bounce, self.world.us)
            for after, _ in [(0, down), *bounce, (bounce[-1][0] + 500 if bounce else 0, down)]:
                self.world.at(self.world.us + after, self.settle)

        self.world.at(self.world.us + us, act)

    def keys(self, ms: int) -> list[str]:
        self.world.run(ms)
        return list(iter(self.queue.pop, None))


BOUNCE = st.lists(st.tuples(st.integers(20, 5000), st.booleans()), max_size=6).map(sorted)


@settings(max_examples=100, deadline=None)
@given(st.lists(
    st.tuples(
        st.sampled_from([name for row in keypad_model.LAYOUT for name in row]),
        st.integers(25, 90), st.integers(60, 200), BOUNCE, BOUNCE,
    ), max_size=12,
))
def test_typing_with_bouncing_contacts_gives_exactly_what_was_typed(strokes):
    pad = Pad()
    at = 5000
    for name, hold_ms, pause_ms, down, up in strokes:
        pad.touch(at, name, True, down)
        pad.touch(at + hold_ms * 1000 + 6000, name, False, up)
        at += (hold_ms + pause_ms) * 1000
    assert pad.keys(at // 1000 + 200) == [stroke[0] for stroke in strokes]


@settings(max_examples=60, deadline=None)
@given(st.permutations([name for row in keypad_model.LAYOUT for name in row]), st.integers(30, 120))
def test_rolling_over_the_keys_keeps_their_order(names, overlap_ms):
    # Each key goes down before the one before it is released, never three at a time.
    names = [name for name in names if name not in ("BACK", "UP", "DOWN")]
    pad = Pad()
    step = 2 * overlap_ms + 60
    for i, name in enumerate(names):
        pad.touch((i * step) * 1000, name, True, [])
        pad.touch((i * step + step + overlap_ms) * 1000, name, False, [])
    assert pad.keys((len(names) + 2) * step) == names


@settings(max_examples=60, deadline=None)
@given(st.lists(
    st.tuples(
        st.sampled_from([name for row in keypad_model.LAYOUT for name in row]),
        st.integers(0, 600), st.integers(10, 400),
    ), max_size=15,
))
def test_whatever_is_pressed_only_real_keys_count_and_it_comes_to_rest(presses):
    pad = Pad()
    for name, at, hold in presses:
        pad.touch(at * 1000, name, True, [])
        pad.touch((at + hold) * 1000, name, False, [])
    seen = pad.keys(1500)
    assert set(seen) <= {name for name, _, _ in presses}
    pad.touch(0, "5", True, [])
    pad.touch(60000, "5", False, [])
    assert pad.keys(300) == ["5"]


# -- printer and reader on one line ----------------------------------------------------------------


class Aux:
    """machine.UART with printer, reader and scanner on it; bytes take their time."""

    def __init__(self, line_us: int = 60_000, **options: Any) -> None:
        self.world = World()
        self.paper = Paper(line_us=line_us, **options)
        self.model = ReaderModel()
        self.event = Event()
        self.waiting = bytearray()
        self.out_free = self.in_free = self.world.us
        self.queue = Queue(20)
        self.printer = Printer(self, BAUD, font.gbk)
        self.reader = Reader(self, self.event, self.queue, self.printer.take)
        self.world.loop.spawn("reader", self.reader.run(), vital=True)

    def write(self, data: bytes) -> int:
        data = bytes(data)
        self.out_free = max(self.out_free, self.world.us) + len(data) * 10_000_000 // BAUD
        self.world.at(self.out_free, lambda: self.answer(self.paper.feed(data, self.world.us)))
        return len(data)

    def answer(self, data: bytes) -> None:
        self.arrive(data)
        due = self.paper.next_at()
        if due is not None:
            self.world.at(due, lambda: self.answer(self.paper.advance(self.world.us)))

    def arrive(self, data: bytes) -> None:
        """Bytes from any of the devices; they share the wire, so they come one after another."""
        for byte in data:
            self.in_free = max(self.in_free, self.world.us) + 10_000_000 // BAUD
            self.world.at(self.in_free, lambda byte=byte: self.received(byte))

    def received(self, byte: int) -> None:
        self.waiting.append(byte)
        self.event.set()

    def readinto(self, buffer: bytearray) -> int | None:
        size = min(len(buffer), len(self.waiting))
        buffer[:size] = self.waiting[:size]
        del self.waiting[:size]
        return size or None

    def print(self, lines) -> int:
        return self.world.finish(self.printer.print_lines(lines))

    def inputs(self) -> list[tuple[str, str]]:
        self.world.run(300)
        return list(iter(self.queue.pop, None))


SLIP = [
    (p.BIG | p.CENTRE, "POS□"),
    (p.CENTRE, "MERCHANT COPY"),
    (p.RULE, None),
    (p.NORMAL, b"\xc9\xcc\xbb\xa7: \xc4\xa9\xb1\xca"),
    (p.BIG, "RMB 12.34"),
    (p.INVERTED, " DUPLICATED "),
    (p.BOLD, "bold"),
    (p.FEED, 2),
    (p.NORMAL, "end"),
    (p.CUT, None),
]


def test_a_slip_comes_out_as_it_was_meant():
    aux = Aux()
    assert aux.print(SLIP) == 10
    assert aux.paper.unknown == [] and aux.paper.lost_bytes == 0
    assert aux.paper.receipts[0].splitlines() == [
        " " * 11 + "POS□", " " * 9 + "MERCHANT COPY", "-" * 32, "商户: 末笔", "RMB 12.34",
        " DUPLICATED", "bold", "", "", "end",
    ]
    look = {line.text().strip(): line.cells[0][1] for line in aux.paper.printed if line.cells}
    assert (look["POS□"].wide, look["POS□"].tall) == (2, 2)
    assert look["DUPLICATED"].inverted and look["bold"].bold
    assert not look["end"].inverted and look["end"].wide == 1
    (big,) = [line.cells for line in aux.paper.printed if "POS" in line.text()]
    assert [cell[1].wide for cell in big] == [2, 2, 2, 2], "Chinese and ASCII alike"


def test_the_paper_never_waits_for_the_driver():
    # 40 lines at 60 ms are 2.4 s of printing; anything beyond is our doing.
    aux = Aux()
    aux.print([(p.NORMAL, "warm up")])
    before = aux.world.us
    aux.print([(p.NORMAL, "0123456789" * 3)] * 40)
    assert (aux.world.us - before) / 1e6 < 2.4 * 1.12


@pytest.mark.parametrize("left", range(0, 16))
def test_paper_out_tells_the_truth_and_leaves_nothing_behind(left: int):
    aux = Aux()
    aux.paper.runs_out_after(left)
    with pytest.raises(p.PaperOut) as error:
        aux.print([(p.NORMAL, f"line {i}") for i in range(16)])
    came_out = len([line for line in aux.paper.printed if line.text()])
    assert came_out == left
    assert left - 8 <= error.value.printed <= left
    aux.paper.load_paper()
    aux.answer(aux.paper.advance(aux.world.us))
    aux.world.run(3000)
    assert len(aux.paper.printed) == came_out, "printed by itself"
    assert aux.print(SLIP) == len(SLIP)
    assert aux.paper.printed[came_out].text().strip() == "POS□"
    assert aux.inputs() == []


def test_cover_and_supply_in_the_middle_of_a_slip():
    for fault, kind in (("open_cover", p.CoverOpen), ("silence", p.PrinterSilent)):
        aux = Aux()
        job = aux.world.loop.spawn("job", outcome(aux.printer.print_lines(SLIP * 5)))
        aux.world.at(aux.world.us + 800_000, getattr(aux.paper, fault))
        error, printed = aux.world.loop.run(job)
        assert error is kind
        assert 0 < printed <= len(aux.paper.printed)


async def outcome(coroutine: Coroutine) -> tuple[type | None, int]:
    try:
        return None, await coroutine
    except p.PrinterError as error:
        return type(error), error.printed


@pytest.mark.parametrize(
    ("line_us", "answers_marks"),
    [(0, True), (5_000, True), (60_000, True), (200_000, True),
     (0, False), (5_000, False), (60_000, False), (95_000, False)],
)
def test_printers_of_any_speed_and_kind(line_us: int, answers_marks: bool):
    slip = [*SLIP, (p.FEED, 10)]
    aux = Aux(line_us, answers_marks=answers_marks)
    assert aux.print(slip * 3) == 33
    # Not one line is claimed before it is on paper.
    assert len(aux.paper.receipts) == 3 and len(aux.paper.printed) == 3 * (10 + 5 + 9)
    assert aux.paper.lost_bytes == 0


def test_near_end_is_told():
    aux = Aux()
    aux.print(SLIP)
    assert not aux.printer.near_end
    aux.paper.near_end()
    aux.print(SLIP)
    assert aux.printer.near_end


PAN = "6222021234567890128"
TRACK2 = PAN + "=301210100000"


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2_000_000), st.booleans(), st.booleans(),
    st.sampled_from([b"\r", b"", b"\r\n"]),
)
def test_a_swipe_at_any_moment_of_printing(at_us: int, lrc: bool, track1: bool, end: bytes):
    aux = Aux()
    aux.model = ReaderModel(lrc=lrc, track1=track1, end=end)
    aux.world.at(aux.world.us + at_us, lambda: aux.arrive(aux.model.swipe(PAN)))
    assert aux.print(SLIP * 3) == 30
    aux.world.run(2000)
    assert aux.inputs() == [("card", TRACK2)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_500_000), st.sampled_from(["134567890123456789", "287654321098765432"]))
def test_a_scan_at_any_moment_of_printing_and_of_its_troubles(at_us: int, code: str):
    aux = Aux()
    aux.paper.runs_out_after(12)
    aux.world.at(aux.world.us + at_us, lambda: aux.arrive(aux.model.scan(code)))
    job = aux.world.loop.spawn("job", outcome(aux.printer.print_lines(SLIP * 3)))
    error, _ = aux.world.loop.run(job)
    assert error is p.PaperOut
    aux.world.run(1500)
    assert aux.inputs() == [("scan", code)]


@pytest.mark.parametrize("damage", ["half", "bit", "noise", "long", "lrc", "error", "no-start",
                                    "track1"])
@pytest.mark.parametrize("end", [b"\r", b""])
def test_every_damaged_swipe_is_unreadable(damage: str, end: bytes):
    aux = Aux()
    aux.arrive(ReaderModel(end=end).swipe(PAN, damage=damage))
    (result,) = aux.inputs()
    assert result[0] == "unreadable"
    assert not any(c.isdigit() for c in result[1].replace("track 2", ""))


@given(st.integers(10**11, 10**18).map(str))
def test_check_digits_agree(digits: str):
    from host_tools.bench.reader import luhn_digit

    for last in "0123456789":
        assert luhn(digits + last) == (last == luhn_digit(digits))
