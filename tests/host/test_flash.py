"""Putting images on boards without a board: files, drives, other people's programs, and errors."""

import os
from pathlib import Path

import pytest

from host_tools import cli
from host_tools.cli import UserError
from host_tools.flash import deploy, image, put, uf2
from host_tools.flash.terminal import Identity
from host_tools.places import ROOT

BOARDS = ROOT / "boards"


def said_by(capsys, *args):
    assert cli.main(["flash", *args]) == 2
    return capsys.readouterr().err


@pytest.fixture
def picture(tmp_path):
    """A small image for the RP2040."""
    path = tmp_path / "small.uf2"
    path.write_bytes(uf2.pack(bytes(range(256)) * 3))
    return path


@pytest.fixture
def drive(tmp_path):
    """The drive of a bootloader."""
    folder = tmp_path / "drive"
    folder.mkdir()
    about = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
    (folder / "INFO_UF2.TXT").write_text(about)
    return folder


@pytest.fixture
def alone(monkeypatch):
    """No board is plugged into this computer."""
    monkeypatch.setattr(put, "drives", list)
    monkeypatch.setattr(put, "ports", list)


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return folder


# -- the file format -------------------------------------------------------------------------------


def test_a_uf2_file_holds_what_was_packed():
    data = os.urandom(1000)
    file = uf2.pack(data)
    assert len(file) == 4 * 512 and file[:4] == b"UF2\n"
    assert uf2.flash_image(file) == data + bytes(24)
    assert [address for address, _ in uf2.unpack(file)] == [0x10000000 + 256 * n for n in range(4)]


@pytest.mark.parametrize(("spoil", "text"), [
    (lambda file: file[:-1], "512-byte blocks"),
    (lambda file: b"", "512-byte blocks"),
    (lambda file: b"x" + file[1:], "no UF2 marks"),
    (lambda file: file[512:], "stands at place"),
    (lambda file: file[:28] + b"\x01" + file[29:], "not for the RP2040"),
])
def test_what_is_no_uf2_for_this_chip_is_refused(spoil, text):
    with pytest.raises(uf2.BadUf2, match=text):
        uf2.unpack(spoil(uf2.pack(bytes(700))))


# -- the bootloader's drive ------------------------------------------------------------------------


def test_the_image_is_copied_to_the_drive(picture, drive, alone):
    assert put.put(picture, drive, None, 0.1) == f"copied to {drive}"
    assert (drive / "mobi.uf2").read_bytes() == picture.read_bytes()


def test_a_folder_that_is_no_bootloader_is_left_alone(picture, tmp_path, alone):
    with pytest.raises(UserError, match="BOOTSEL"):
        put.put(picture, tmp_path, None, 0.1)
    assert not (tmp_path / "mobi.uf2").exists()


def test_a_copy_that_fails_says_that_nothing_is_lost(picture, drive, alone):
    (drive / "mobi.uf2").mkdir()
    with pytest.raises(UserError, match="journal untouched: repeat the command"):
        put.put(picture, drive, None, 0.1)


def test_an_image_that_reaches_the_journal_is_refused(tmp_path, drive):
    path = tmp_path / "large.uf2"
    path.write_bytes(uf2.pack(bytes(256), base=uf2.FLASH_BASE + image.ROOM))
    with pytest.raises(UserError, match="where a terminal keeps its journal"):
        put.put(path, drive, None, 0.1)
    assert not (drive / "mobi.uf2").exists()


def test_two_boards_are_not_guessed_between(picture, monkeypatch):
    monkeypatch.setattr(put, "drives", lambda: [Path("/a"), Path("/b")])
    with pytest.raises(UserError, match=r"several boards .* --drive"):
        put.put(picture, None, None, 0.1)


# -- other people's programs -----------------------------------------------------------------------


def test_picotool_is_used_where_there_is_no_drive(picture, tmp_path, alone, monkeypatch):
    program(tmp_path, "picotool", f'echo "$@" > {tmp_path}/called')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert put.put(picture, None, None, 0.1) == "loaded with picotool"
    assert (tmp_path / "called").read_text() == f"load -v -x {picture}\n"


def test_an_error_of_picotool_comes_with_the_way_on(picture, tmp_path, alone, monkeypatch):
    program(tmp_path, "picotool", "echo No accessible RP2040 devices >&2; exit 249")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(UserError, match=r"(?s)No accessible RP2040 devices.*BOOTSEL"):
        put.put(picture, None, None, 0.1)


def test_without_board_and_picotool_it_says_what_to_do(picture, alone, monkeypatch):
    monkeypatch.setattr(put.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"no board is in its bootloader\. Unplug the Pico"):
        put.put(picture, None, None, 0.1)


def test_an_error_of_mpremote_is_passed_on(tmp_path):
    (tmp_path / "main.py").write_text("")
    with pytest.raises(UserError, match=r"(?s)mpremote could not copy.*Repeat the command"):
        deploy.copy(tmp_path, "/dev/nothing", "", lambda text: None)


def board_with(**facts):
    return Identity(**{"machine": "Board", "micropython": "1.25.0", "platform": "esp32",
                       "mpy": 0x2B06, "heap_free": 4 << 20, "version": None, "frozen": False,
                       **facts})


def test_a_stock_board_must_load_our_files_and_hold_them():
    deploy.check(board_with())
    with pytest.raises(UserError, match=r"version 5.*Nothing was changed"):
        deploy.check(board_with(mpy=0x1F05))
    with pytest.raises(UserError, match=r"no native code.*Nothing was changed"):
        deploy.check(board_with(mpy=0x0306))
    with pytest.raises(UserError, match=r"KiB of free memory.*make uf2.*Nothing was changed"):
        deploy.check(board_with(heap_free=200_000))


def test_the_firmware_compiles_to_mpy_files(tmp_path):
    total = deploy.compile_to(
        tmp_path, BOARDS / "esp32" / "modules", deploy.processor(board_with())
    )
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*py")}
    assert {"main.py", "board.mpy", "mobi/terminal.mpy", "mobi/flows/sale.mpy"} <= names
    assert total > 100_000 and deploy.processor(board_with()) == "xtensawin"
    assert all(path.read_bytes()[:2] == b"M\x06" for path in tmp_path.rglob("*.mpy"))


# -- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("args", "text"), [
    (("--image", "/no/such.uf2"), "make uf2"),
    (("--no-image",), "--port"),
    (("--no-image", "--set", "terminal"), "NAME=VALUE"),
    (("--no-image", "--set", "tmk=00"), "can be seen by others"),
    (("--no-image", "--provision", "/no/such"), "cannot be read"),
    (("--stock", "esp32"), "--port"),
    (("--stock", "toaster", "--port", "/dev/nothing"), "there is no boards/toaster"),
    (("--no-image", "--port", "/dev/nothing", "--patience", "0.1"), "cannot be opened"),
])
def test_errors_say_what_to_do(capsys, alone, args, text):
    assert text in said_by(capsys, *args)


@pytest.mark.parametrize("content", ["no json", "[]", '{"tmk": "00"}'])
def test_a_bad_file_is_found_before_the_board_is_touched(tmp_path, capsys, alone, content):
    path = tmp_path / "terminal.json"
    path.write_text(content)
    path.chmod(0o600)
    said_by(capsys, "--no-image", "--provision", str(path))


def test_the_example_can_be_provisioned(capsys):
    assert cli.main(["flash", "--example"]) == 0
    assert '"terminal": "00000001"' in capsys.readouterr().out


# -- what may be in an image -----------------------------------------------------------------------


def test_a_stand_in_of_the_bench_fails_the_build():
    allowed = (ROOT / "firmware", BOARDS / "rpi_pico" / "modules")
    good = {"board.py": allowed[1] / "board.py", "main.py": allowed[0] / "main.py"}
    image.check_frozen(good, good, allowed, b"")
    with pytest.raises(image.BuildFailed, match=r"machine\.py.*stand-in"):
        image.check_frozen({"machine.py": BOARDS / "unix" / "machine.py"}, [], allowed, b"")
    with pytest.raises(image.BuildFailed, match=r"differ in time\.py"):
        image.check_frozen(good, [*good, "time.py"], allowed, b"")
    for mark in image.STAND_IN_MARKS:
        with pytest.raises(image.BuildFailed, match="only the bench's boards"):
            image.check_frozen(good, good, allowed, b"..." + mark + b"...")


def test_every_stand_in_bears_a_mark_or_is_found_by_its_folder():
    text = b"".join(path.read_bytes() for path in (BOARDS / "unix").glob("*.py"))
    assert all(mark in text for mark in image.STAND_IN_MARKS)


def test_the_sources_of_an_image_are_known_by_their_digest(tmp_path):
    for name in ("firmware/main.py", "boards/rpi_pico/manifest.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    before = image.sources_digest(tmp_path)
    (tmp_path / "firmware" / "notes.txt").write_text("not in the image")
    assert image.sources_digest(tmp_path) == before
    (tmp_path / "firmware" / "main.py").write_text("2")
    assert image.sources_digest(tmp_path) != before
