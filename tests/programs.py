"""Programs that tests start beside themselves, wait for and stop; the command line as one call."""

import contextlib
import os
import re
import signal
import subprocess
import threading

from host_tools import cli


class Said:
    """What a program has said so far; ``process`` is the program."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._news = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()

    def wait(self, pattern, seconds=30):
        """The match of ``pattern`` in a line, as soon as there is one."""
        def found():
            return next((m for line in self.lines if (m := re.search(pattern, line))), None)

        with self._news:
            assert self._news.wait_for(found, seconds), (pattern, self.lines)
            return found()

    def interrupt(self, seconds=20):
        """What Ctrl-C does: SIGINT for the program and all it has started. Its exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)


@contextlib.contextmanager
def program(*command, **options):
    """Run ``command`` in a process group of its own and hand out its ``Said``; ends it after."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, **options,
    ) as process:
        said = Said(process)
        try:
            yield said
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
            said.reader.join(20)


def mobi(capsys, *arguments):
    """The command line in this process: exit code and what was printed, both streams."""
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return code, said.out, said.err
