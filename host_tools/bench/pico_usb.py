"""The emulated Pico with a computer at its USB socket: its console is a pseudo terminal here.

    python -m host_tools.bench.pico_usb [--image FILE] [--keep FOLDER]

`mobi flash --port`, mpremote and every terminal program work on it as on a board's /dev/ttyACM0.
It runs in real time as far as the emulation keeps up; when it does not, its clock lags behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

from host_tools.bench.kernel import Kernel
from host_tools.bench.nor import Nor
from host_tools.bench.pico import PicoBoard, image_path
from host_tools.bench.rig import Rig

_STEP_US = 20_000
_LAG_US = 50_000


class PicoOnUsb:
    """A Pico plugged into this computer. ``port`` is its console.

    ``with PicoOnUsb() as pico:`` runs it in a thread. ``rig`` has its flash chips and its panel.
    ``image``: what is in its flash; None: a blank chip, which ``flash`` fills.
    """

    def __init__(self, image: Path | None, log: Path, seed: int = 1) -> None:
        self.kernel = Kernel()
        journal = Nor(256 * 1024, unit=256, seed=seed)
        vault = Nor(8 * 1024, unit=256, seed=seed + 1)
        self.rig = Rig(self.kernel, journal, vault, seed)
        self._log = log
        self._out = bytearray()
        self._typed = bytearray()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.port = os.ttyname(self._theirs)
        self.board: PicoBoard | None = None
        self._new: Path | None = image
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pico", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> PicoOnUsb:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unplug it."""
        self._stopped.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def flash(self, image: Path) -> None:
        """Do what the bootloader does: take over an image and restart."""
        self._new = image

    def _run(self) -> None:
        try:
            began = time.monotonic() - self.kernel.now_us / 1e6
            while not self._stopped.is_set():
                if self._new is not None:
                    self._restart()
                self._pump()
                now = self.kernel.now_us
                wall = int((time.monotonic() - began) * 1e6)
                if wall - now > _LAG_US:
                    began += (wall - now - _LAG_US) / 1e6
                if self.board is not None and now < wall:
                    self.board.run(min(now + _STEP_US, wall))
                else:
                    select.select([self._ours], [], [], 0.01)
        except BaseException as error:
            self.error = error
            raise

    def _restart(self) -> None:
        image, self._new = self._new, None
        if self.board is not None:
            self.board.power_off()
        self.board = PicoBoard(self.kernel, self.rig, self._log, image, self._out.extend)
        self.rig.board = self.board
        self.board.power_on()

    def _pump(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._typed += os.read(self._ours, 4096)
        if self.board is not None and self._typed:
            del self._typed[: self.board.usb_in(bytes(self._typed))]
        if self._out:
            with contextlib.suppress(BlockingIOError):
                del self._out[: os.write(self._ours, self._out)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="An emulated Pico whose console is a pty.")
    parser.add_argument("--image", type=Path, help="default: what make uf2 has built")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mobi-pico-") as folder:
        with PicoOnUsb(args.image or image_path(), Path(folder) / "log") as pico:
            print(f"The emulated Pico is {pico.port}; Ctrl-C unplugs it.", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                while pico.error is None:
                    time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
