"""Where the emulated Pico spends its time: by function of the firmware and by function in C.

    python -m host_tools.bench.profile [boot|sale|void|settlement] [--rows N]

The image is not changed and does not notice: the emulated processor is stopped every 100 us of its
own time, and the stack it was stopped with tells which functions of the firmware were running.
Native and viper functions have no frame there; their time is their caller's. While the flash chip
programs or erases, the processor waits: that counts as computing of whoever asked for it.
"""

from __future__ import annotations

import argparse
import ast
import bisect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from host_tools.bench import Bench, menu, pico, stories
from host_tools.flash.image import BOARD
from host_tools.places import ROOT

LOOK_US = 100
_RAM = (0x20000000, 0x20042000)
_FLASH = (0x10000000, 0x10100000)
_BYTECODE = 12  # where a function object of MicroPython points to its bytecode
_PREFIX = "fun_data_"
_UNNAMED = {
    ast.Lambda: "<lambda>", ast.ListComp: "<listcomp>", ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>", ast.GeneratorExp: "<genexpr>",
}


class NoSymbols(Exception):
    """The image cannot be read by function; the text says what to do."""


class Profile:
    """``with Profile(bench) as found: ...`` watches what ``bench``, on a Pico, computes meanwhile.

    ``own``: microseconds of the chip by function, ``whole``: with everything it called, ``in_c``:
    by function of MicroPython and the Pico SDK. ``busy_us``: all of it; the rest was sleep.
    """

    def __init__(self, bench: Bench, look_us: int = LOOK_US) -> None:
        if not isinstance(bench.board, pico.PicoBoard):
            raise NoSymbols("only the emulated Pico can be watched: Bench(board='pico')")
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.in_c: Counter[str] = Counter()
        self.busy_us = 0.0
        self._board = bench.board
        self._symbols = Symbols(self._board.image.with_suffix(".elf"))
        self._look_us = look_us
        self._before_us = 0.0
        self._slept = True

    def __enter__(self) -> Profile:
        self._board.look_us = self._look_us
        self._board.watch = self._look
        return self

    def __exit__(self, *_: object) -> None:
        self._board.look_us = pico.LOOK_US
        self._board.watch = None

    def _look(self, chip: Any) -> None:
        now = chip.clock.nanos / 1000
        took, self._before_us = now - self._before_us, now
        slept, self._slept = self._slept, chip.asleep
        if chip.asleep or took < 0:  # below 0: switched on anew
            return
        if slept:
            took = min(took, self._look_us)  # it woke up in this stretch
        self.busy_us += took
        core = chip.rp2040.core
        self.in_c[self._symbols.code(core.pc)] += took
        frames = list(self._symbols.frames(chip.rp2040.sram, core.registers[13]))
        if frames:
            self.own[frames[0]] += took
            for name in set(frames):
                self.whole[name] += took

    def table(self, rows: int = 30) -> str:
        """The functions that take most, for a person."""
        lines = [f"{'ms':>8}  {'with what it called':>20}  function"]
        for name, own in self.own.most_common(rows):
            lines.append(f"{own / 1000:8.1f}  {self.whole[name] / 1000:20.1f}  {name}")
        lines += ["", f"{'ms':>8}  in C"]
        lines += [f"{us / 1000:8.1f}  {name}" for name, us in self.in_c.most_common(rows // 3)]
        lines += ["", f"{self.busy_us / 1000:8.1f}  ms of computing in all"]
        return "\n".join(lines)


class Symbols:
    """Names for addresses of an image, from the ELF file that lies beside it."""

    def __init__(self, elf: Path) -> None:
        if not elf.exists():
            raise NoSymbols(f"{elf} is not there: `make uf2` leaves it beside the image")
        from elftools.elf.elffile import ELFFile

        code: dict[int, str] = {}
        data: dict[int, str] = {}
        types = {}
        with elf.open("rb") as file:
            table: Any = ELFFile(file).get_section_by_name(".symtab")
            for symbol in table.iter_symbols():
                address, kind = symbol["st_value"], symbol["st_info"]["type"]
                if symbol.name.startswith(_PREFIX):
                    data[address] = symbol.name.removeprefix(_PREFIX)
                elif kind == "STT_FUNC":
                    code[address & ~1] = symbol.name
                elif symbol.name in ("mp_type_fun_bc", "mp_type_gen_wrap"):
                    types[symbol.name] = address
        if len(types) != 2 or not data:
            raise NoSymbols(f"{elf} has no frozen firmware in it")
        self._types = set(types.values())
        names = _names()
        self._functions = {at: names.get(name, name) for at, name in data.items()}
        self._code = code
        self._starts = sorted(code)

    def code(self, address: int) -> str:
        """The C function at ``address``; "boot ROM" outside of the image."""
        at = bisect.bisect_right(self._starts, address) - 1
        return self._code[self._starts[at]] if at >= 0 else "boot ROM"

    def frames(self, ram: bytes | bytearray, stack: int) -> Iterator[str]:
        """The functions of the firmware that are running, the innermost first.

        ``ram``: all of it. ``stack``: the stack pointer. The interpreter's C frame holds a pointer
        to the frame of the function it runs; that begins with the function object and the address
        of the next instruction, wherever it lies.
        """
        words = memoryview(ram).cast("I")

        def word(address: int) -> int:
            inside = _RAM[0] <= address < _RAM[1] and not address & 3
            return words[(address - _RAM[0]) >> 2] if inside else 0

        last = 0
        for at in range(stack, _RAM[1], 4):
            frame = word(at)
            if frame == last or not _RAM[0] <= frame < _RAM[1]:
                continue
            function = word(frame)
            if word(function) in self._types and _FLASH[0] <= word(frame + 4) < _FLASH[1]:
                last = frame
                name = self._functions.get(word(function + _BYTECODE))
                if name is not None:
                    yield name


def _names() -> dict[str, str]:
    # The name MicroPython gives a frozen function -> "mobi/ui/screen.py Screen.row".
    found = {}
    for folder in (ROOT / "firmware", ROOT / BOARD / "modules"):
        for path in folder.rglob("*.py"):
            file = path.relative_to(folder).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            module = file.removesuffix(".py").removesuffix("/__init__").replace("/", "_")
            for name in ("<module>", *_functions(tree)):
                plain = name.replace(".", "_").replace("<", "_lt_").replace(">", "_gt_")
                found[f"{module}_{plain}"] = f"{file} {name}"
    return found


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not isinstance(node, ast.ClassDef):
                yield prefix + node.name
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            if type(node) in _UNNAMED:
                yield prefix + _UNNAMED[type(node)]
            yield from _functions(node, prefix)


def _boot(bench: Bench) -> Profile:
    with Profile(bench) as found:
        bench.board.power_on()
        bench.wait_until(lambda: menu.is_log_in(bench))
    return found


def _during(story: Callable[[Bench], object]) -> Callable[[Bench], Profile]:
    def watched(bench: Bench) -> Profile:
        bench.power_on()
        bench.sign_on()
        stories.sale(bench, 1200)
        with Profile(bench) as found:
            story(bench)
        return found

    return watched


STORIES: dict[str, Callable[[Bench], Profile]] = {
    "boot": _boot,
    "sale": _during(lambda bench: stories.sale(bench, 3400)),
    "void": _during(stories.void_last),
    "settlement": _during(stories.settle),
}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Where the emulated Pico spends its time.")
    parser.add_argument("story", nargs="?", choices=STORIES, default="sale")
    parser.add_argument("--rows", type=int, default=30, help="functions to name")
    args = parser.parse_args()
    try:
        with Bench(board="pico", settings={"copies": 1}) as bench:
            print(STORIES[args.story](bench).table(args.rows))
    except (NoSymbols, pico.NoImage) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
