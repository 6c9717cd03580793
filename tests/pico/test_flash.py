"""`mobi flash` on the emulated Pico, plugged into USB: image, read-back, provisioning, guards."""

import json
import threading
import time

import pytest
import serial

from host_tools import cli
from host_tools.bench import Bench, stories, wiring
from host_tools.bench.pico_usb import PicoOnUsb
from host_tools.bench.provisioning import DEFAULTS
from host_tools.flash.console import Console, RemoteError
from host_tools.flash.terminal import RemoteTerminal
from host_tools.journal import decode

pytestmark = pytest.mark.pico

# Real seconds a board may be silent; the emulated one takes its time.
PATIENCE = "240"


@pytest.fixture
def answers(tmp_path):
    file = tmp_path / "terminal.json"
    options = {name: DEFAULTS[name] for name in ("terminal", "merchant", "merchant_name", "tmk")}
    file.write_text(json.dumps(options), encoding="utf-8")
    file.chmod(0o600)
    return str(file)


class Bootloader:
    """A drive like that of the RP2040's bootloader: an image copied to it goes into ``pico``."""

    def __init__(self, folder, pico):
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
        self.folder = folder
        self._pico = pico
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        file = self.folder / "mobi.uf2"
        size = -1
        while True:
            time.sleep(0.2)
            if file.exists():
                if file.stat().st_size == size > 0:
                    break
                size = file.stat().st_size
        self._pico.flash(file)


def until(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_blank_board_becomes_a_terminal(current_image, tmp_path, answers, capsys):
    with PicoOnUsb(None, tmp_path / "log") as pico:
        drive = Bootloader(tmp_path / "RPI-RP2", pico)
        assert cli.main([
            "flash", "--image", str(current_image), "--drive", str(drive.folder), "--port",
            pico.port, "--provision", answers, "--patience", PATIENCE,
        ]) == 0
        said = capsys.readouterr().out
        assert "Mobi terminal on Raspberry Pi Pico with RP2040: MicroPython 1.25.0, Mobi" in said
        assert "self-test good: rpi_pico, serial number 4d4f42495049434f" in said
        assert "bytes are as in mobi-rpi_pico.uf2" in said
        assert "provisioned: terminal 00000001, master key 08D7B4FB; journal clean" in said
        until(lambda: "操作员号" in "".join(pico.rig.panel.text()))
        assert pico.error is None


def test_a_terminal_that_has_traded_is_not_touched(tmp_path, answers, capsys):
    with Bench(board="unix", settings={"copies": 1}) as bench:
        bench.power_on()
        bench.sign_on()
        stories.sale(bench, 500)
        chips = [bytes(nor.mem) for nor in bench.rig.flash]
        sales = [str(txn) for txn in bench.journal()]
    from host_tools.bench.pico import image_path

    with PicoOnUsb(image_path(), tmp_path / "log") as pico:
        for nor, chip in zip(pico.rig.flash, chips, strict=True):
            nor.load(chip)
        assert cli.main(["flash", "--no-image", "--port", pico.port, "--provision", answers,
                         "--patience", PATIENCE]) == 2
        assert "nothing was changed. Settle on the terminal first" in capsys.readouterr().err
        journal = decode(bytes(pico.rig.flash[wiring.JOURNAL].mem))
        assert [str(txn) for txn in journal.transactions] == sales


def test_the_self_test_finds_what_is_not_the_hardware(tmp_path, current_image):
    with (
        PicoOnUsb(current_image, tmp_path / "log") as pico,
        Console(pico.port, float(PATIENCE)) as console,
    ):
        terminal = RemoteTerminal(console)
        terminal.enter_service()
        assert terminal.open_board()["board"] == "rpi_pico"
        for part in ("i2c", "host_uart", "rtc", "journal_flash"):
            with pytest.raises(RemoteError, match=f"WrongHardware: {part} is no"):
                console.run(
                    f"kept = B.{part}\nB.{part} = object()\n"
                    + f"try:\n    B.self_test()\nfinally:\n    B.{part} = kept"
                )
        console.run("B.self_test()")


def test_a_file_left_on_the_board_never_becomes_part_of_the_terminal(tmp_path, current_image):
    names = ("machine", "time", "select", "flash_map", "board", "boot", "main", "mobi")
    with (
        PicoOnUsb(current_image, tmp_path / "log") as pico,
        Console(pico.port, float(PATIENCE)) as console,
    ):
        terminal = RemoteTerminal(console)
        terminal.enter_service()
        console.run(
            f"for name in {names}:\n"
            + "    with open('/%s.py' % name, 'w') as file:\n"
            + "        file.write('raise RuntimeError(\"' + name + ' of the file system ran\")')"
        )
        terminal.enter_service()
        assert terminal.open_board()["board"] == "rpi_pico"
        terminal.restart()
        until(lambda: "参数和密钥" in "".join(pico.rig.panel.text()))  # a blank board runs
        assert pico.error is None


def test_what_a_probe_sends_on_the_console_does_not_stop_the_terminal(tmp_path, current_image):
    with PicoOnUsb(current_image, tmp_path / "log") as pico:
        until(lambda: "参数和密钥" in "".join(pico.rig.panel.text()))  # a blank board runs
        until(lambda: pico.kernel.now_us > 8_000_000)
        with serial.Serial(pico.port, 115200, timeout=0.1) as port:
            port.write(b"\x03\x03\r\x01\x04AT\r\nAT+GCAP\r\n\x7e\x00\x78\xf0\x7e\x03mobi servic")
            ends = pico.kernel.now_us + 12_000_000  # longer than the watchdog waits
            said = b""
            while pico.kernel.now_us < ends:
                said += port.read(4096)
        assert b"KeyboardInterrupt" not in said and b"REPL" not in said, said
        assert not pico.rig.events and pico.error is None
        assert "参数和密钥" in "".join(pico.rig.panel.text())
