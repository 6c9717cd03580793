"""Puts an image on a Pico: over the drive its bootloader offers, or with picotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from serial.tools import list_ports

from host_tools.cli import UserError
from host_tools.flash import image, uf2
from host_tools.flash.console import Console, ConsoleError

# What the bootloader of an RP2040 calls itself, in INFO_UF2.TXT on its drive.
_BOARD_ID = "RPI-RP2"
_INFO = "INFO_UF2.TXT"
_VID = 0x2E8A  # Raspberry Pi
_MEDIA = ("/media/*", "/media/*/*", "/run/media/*/*", "/mnt/*", "/Volumes/*")

HOW_TO_BOOTSEL = (
    "Unplug the Pico, hold its BOOTSEL button down, plug it in, and let the button go after a "
    + "second: a drive called RPI-RP2 appears. Mount it if your system does not do so by itself, "
    + "then repeat the command. Nothing on the board was changed."
)


def check(path: Path) -> bytes:
    """The image in ``path``, once it is sure that it can harm no journal."""
    try:
        file = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}. Build it: make uf2") from error
    try:
        blocks = uf2.unpack(file)
    except uf2.BadUf2 as error:
        raise UserError(f"{path} is no image for a Pico: {error}") from error
    end = uf2.FLASH_BASE + image.ROOM
    beyond = [address for address, data in blocks if address + len(data) > end]
    if beyond:
        raise UserError(
            f"{path} would write to {beyond[0]:#x}, where a terminal keeps its journal and keys. "
            + "Only images of `make uf2` belong on a terminal."
        )
    return file


def drives() -> list[Path]:
    """Drives of RP2040 bootloaders that are mounted here."""
    places: set[Path] = set()
    mounts = Path("/proc/mounts")
    if mounts.exists():
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split()
            if len(fields) > 2 and fields[2] in ("vfat", "msdos"):
                places.add(Path(fields[1].replace("\\040", " ")))
    for pattern in _MEDIA:
        places.update(Path("/").glob(pattern.lstrip("/")))
    return sorted(place for place in places if is_drive(place))


def is_drive(folder: Path) -> bool:
    """Is ``folder`` the drive of an RP2040's bootloader?"""
    try:
        text = (folder / _INFO).read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return f"Board-ID: {_BOARD_ID}" in text


def ports() -> list[str]:
    """Serial ports that are consoles of a Pico."""
    return sorted(port.device for port in list_ports.comports() if port.vid == _VID)


def copy_to_drive(drive: Path, file: bytes) -> None:
    """Copy the image to the bootloader's drive; the board restarts at its last block."""
    target = drive / "mobi.uf2"
    try:
        with target.open("wb") as out:
            out.write(file)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        # The board may be gone before the system has written what describes the file.
        if is_drive(drive):
            raise UserError(
                f"copying to {drive} failed: {error.strerror}. The board is still in its "
                + "bootloader and its journal untouched: repeat the command."
            ) from error


def with_picotool(path: Path) -> None:
    """Load the image with picotool, which speaks to the bootloader without a mounted drive."""
    command = ["picotool", "load", "-v", "-x", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise UserError(f"picotool could not load the image: {said}\n{HOW_TO_BOOTSEL}")


def to_bootloader(port: str, patience: float) -> None:
    """Ask a board that runs MicroPython to go to its bootloader."""
    with Console(port, patience) as console:
        console.start("import machine; machine.bootloader()")


def wait_for(what: Callable[[], Iterable[object]], seconds: float) -> bool:
    """Wait until ``what()`` gives something."""
    end = time.monotonic() + seconds
    while not list(what()):
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def put(path: Path, drive: Path | None, port: str | None, patience: float) -> str:
    """Put the image on the one board that is there; in words, how it went."""
    file = check(path)
    if drive is not None:
        if not is_drive(drive):
            raise UserError(f"{drive} is not the drive of a Pico's bootloader. {HOW_TO_BOOTSEL}")
        copy_to_drive(drive, file)
        return f"copied to {drive}"
    found = drives()
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise UserError(f"several boards wait in their bootloaders: {names}. Name one: --drive")
    if not found and port is not None:
        try:
            to_bootloader(port, patience)
        except ConsoleError as error:
            raise UserError(f"{error}\nWithout a console: {HOW_TO_BOOTSEL}") from error
        wait_for(drives, patience)
        found = drives()
    if found:
        copy_to_drive(found[0], file)
        return f"copied to {found[0]}"
    if shutil.which("picotool"):
        with_picotool(path)
        return "loaded with picotool"
    raise UserError(f"no board is in its bootloader. {HOW_TO_BOOTSEL}")
