"""A board's console: runs code on a board through MicroPython's raw REPL, over a serial port."""

from __future__ import annotations

import time
from types import TracebackType

import serial

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D = b"\x01", b"\x02", b"\x03", b"\x04"
# As boards/*/modules/board.py has it.
_SERVICE_CALL = b"mobi service"
_READY = b"raw REPL; CTRL-B to exit\r\n>"
# The board takes what comes over USB in pieces of 64 bytes and compiles when it has all.
_CHUNK = 128
_PAUSE_S = 0.01


class ConsoleError(Exception):
    """The board did not answer as MicroPython does; the text says what to try."""


class _Gone(ConsoleError):
    """The port is there no longer."""


class RemoteError(Exception):
    """The code that was run on the board ended with an exception.

    ``name``: its class, ``message``: its text, ``traceback``: what the board printed.
    """

    def __init__(self, traceback: str) -> None:
        self.traceback = traceback.strip()
        last = self.traceback.splitlines()[-1] if self.traceback else ""
        self.name, _, self.message = last.partition(": ")
        super().__init__(last)


class Console:
    """The raw REPL on ``port``. ``patience`` s: how long a board may be silent.

    ``with Console(port) as console: text = console.run("print(1 + 1)")``
    """

    def __init__(self, port: str, patience: float = 10.0) -> None:
        self.port = port
        self.patience = patience
        self._serial: serial.Serial | None = None
        self._came = bytearray()  # and has not been looked at

    def __enter__(self) -> Console:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the port, waiting for it to appear, stop what runs, and go to the raw REPL."""
        end = time.monotonic() + self.patience
        while True:
            try:
                self._serial = serial.Serial(
                    self.port, 115200, timeout=0.05, write_timeout=self.patience, exclusive=True
                )
                break
            except (OSError, serial.SerialException) as error:
                if time.monotonic() > end:
                    raise ConsoleError(
                        f"{self.port} cannot be opened: {error}. Is the board plugged in, may you "
                        + "use the port (group dialout), and is no other program using it?"
                    ) from error
                time.sleep(0.2)
        try:
            self._enter()
        except _Gone:
            # A terminal was running: it has heard us and restarts into its service console.
            self.close()
            time.sleep(0.5)
            self.open()

    def close(self) -> None:
        """Let go of the port. May be called twice."""
        if self._serial is not None:
            try:
                self._serial.close()
            except OSError:
                pass  # it is gone already
            self._serial = None

    def _enter(self) -> None:
        # A board that has just begun to listen may have missed the first keys.
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            self._came.clear()
            # A running terminal does not listen to Ctrl-C, only to this; a prompt drops it.
            self._write(_SERVICE_CALL + _CTRL_C + _CTRL_C)
            self._write(b"\r" + _CTRL_A)
            if self._until(_READY, min(2.0, self.patience)) is not None:
                return
        raise ConsoleError(
            f"nothing on {self.port} answers as MicroPython does. Is it the board's own USB port "
            + "(not the line to the acquirer)? Unplug it, plug it in again and repeat the command."
        )

    def run(self, code: str, patience: float | None = None) -> str:
        """Run ``code``; what it printed. ``RemoteError`` when it ended with an exception."""
        self.start(code)
        wait = self.patience if patience is None else patience
        out = self._until(_CTRL_D, wait)
        err = None if out is None else self._until(_CTRL_D, wait)
        if out is None or err is None or self._until(b">", wait) is None:
            raise ConsoleError(
                f"the board has been silent for {wait:g} s in the middle of a command. Unplug it, "
                + "plug it in again and repeat; nothing is half done that a repetition would not "
                + "mend. A slow board needs a larger --patience."
            )
        if err:
            raise RemoteError(err.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace").replace("\r\n", "\n")

    def start(self, code: str) -> None:
        """Begin to run ``code`` and do not wait for its end (it may restart the board)."""
        data = code.encode()
        for at in range(0, len(data), _CHUNK):
            self._write(data[at : at + _CHUNK])
            time.sleep(_PAUSE_S)
        self._write(_CTRL_D)
        if self._until(b"OK", self.patience) is None:
            raise ConsoleError(f"the board on {self.port} did not take a command")

    def _write(self, data: bytes) -> None:
        try:
            assert self._serial is not None
            self._serial.write(data)
        except (OSError, serial.SerialException) as error:
            raise _Gone(f"{self.port} went away: {error}") from error

    def _until(self, end: bytes, wait_s: float) -> bytes | None:
        # What comes before ``end``; None when nothing more comes for ``wait_s``.
        silent_at = time.monotonic() + wait_s
        looked = 0
        while True:
            at = self._came.find(end, max(0, looked - len(end) + 1))
            if at >= 0:
                data = bytes(self._came[:at])
                del self._came[: at + len(end)]
                return data
            looked = len(self._came)
            try:
                assert self._serial is not None
                more = self._serial.read(max(1, self._serial.in_waiting))
            except (OSError, serial.SerialException) as error:
                raise _Gone(f"{self.port} went away: {error}") from error
            if more:
                self._came += more
                silent_at = time.monotonic() + wait_s
            elif time.monotonic() > silent_at:
                return None
