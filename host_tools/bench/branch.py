"""Copies of a running bench, each of which goes on with another fault.

A power cut leaves flash, line, paper, acquirer and clock, and all of them are objects of this
process. So one telling of a story is enough for all its cuts: where a cut is to come, the process
is copied (``fork``), the copy suffers the cut and goes its way to a result, and the original goes
on to the next place as if nothing had been. What a copy does is what a telling from the start would
have done, to the byte: its past is the same past.

A terminal in a process of its own cannot be copied along; it need not be where the power is cut.
The in-process board can be copied anywhere.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from host_tools.bench.boards import CopiedBoard

if TYPE_CHECKING:
    from host_tools.bench.bench import Bench
    from host_tools.bench.sweep import Cut

Name = TypeVar("Name", bound=Hashable)
Found = TypeVar("Found")
# A cut that waits for so many operations or bytes never comes: it only counts them.
_NEVER = 1 << 40
_STATE, _DIGEST = b"state ", 32  # how a state is told


class CopyFailed(RuntimeError):
    """A copy ended without its result; the text tells how."""


class Copies(Generic[Name, Found]):
    """Up to ``jobs`` copies of this process at a time, each with a name and a result."""

    def __init__(self, jobs: int = 1) -> None:
        self.mine: Name | None = None  # in a copy: its name
        self._jobs = jobs
        self._running: dict[int, tuple[Name, int, bytearray]] = {}  # by the end of their pipe
        self._found: dict[Name, Found] = {}
        self._states: dict[tuple[Any, bytes], Name] = {}
        # A copy in the state that another one came to: it was not run.
        self.equals: dict[Name, Name] = {}
        self._failed: list[str] = []
        self._tell = -1
        self._among: Any = None

    def begin(self, name: Name, among: Any = None) -> bool:
        """Make a copy; true in the copy, which must come to ``end`` or ``fail``.

        ``among``: the copy will tell its ``state`` before.
        """
        while len(self._running) >= self._jobs:
            self._listen()
        ours, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # a collection in the copy would copy every page there is
        with warnings.catch_warnings():
            # The threads of a test runner: none of them holds what a copy needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            gc.unfreeze()
            os.close(theirs)
            self._running[ours] = (name, pid, bytearray())
            if among is not None:
                self._compare(ours, among)
            return False
        os.close(ours)
        for other in self._running:
            os.close(other)
        self._running.clear()
        self.mine = name
        self._tell = theirs
        self._among = among
        return True

    def state(self, digest: bytes) -> bool:
        """In a copy that was begun ``among`` others: all that it will depend on, in 32 bytes. True
        when one of the others had the same: then this one shall ``give_way``."""
        os.write(self._tell, _STATE + digest)
        return (self._among, _STATE + digest) in self._states

    def _compare(self, pipe: int, among: Any) -> None:
        name, pid, said = self._running[pipe]
        said += os.read(pipe, len(_STATE) + _DIGEST)
        if not said.startswith(_STATE):
            return  # it has failed before, and is heard of as any other
        first = self._states.setdefault((among, bytes(said)), name)
        said.clear()
        if first != name:
            self.equals[name] = first
            del self._running[pipe]
            os.close(pipe)
            os.waitpid(pid, 0)

    def give_way(self) -> NoReturn:
        """In a copy: it ends without a result, as the other's is its own."""
        os._exit(0)

    def end(self, found: Found) -> NoReturn:
        """In a copy: this is its result, and its end."""
        self._say((found, ""))

    def fail(self) -> NoReturn:
        """In a copy: it ends with the exception that is being handled."""
        self._say((None, traceback.format_exc()))

    def _say(self, what: Any) -> NoReturn:
        with os.fdopen(self._tell, "wb") as pipe:
            pickle.dump(what, pipe)
        os._exit(0)  # what is to be tidied up at the end belongs to the original

    def _listen(self) -> None:
        for ready in wait(list(self._running)):
            assert isinstance(ready, int)
            more = os.read(ready, 65536)
            name, pid, said = self._running[ready]
            said += more
            if not more:
                del self._running[ready]
                os.close(ready)
                _, status = os.waitpid(pid, 0)
                self._heard(name, said, status)

    def _heard(self, name: Name, said: bytearray, status: int) -> None:
        if not said:
            self._failed.append(f"{name}: its process ended with status {status}")
            return
        found, error = pickle.loads(said)  # from a copy of this very process
        if error:
            self._failed.append(f"{name}: {error}")
        else:
            self._found[name] = found

    def results(self) -> dict[Name, Found]:
        """Wait for all copies; their results by name. ``CopyFailed`` when one has none."""
        while self._running:
            self._listen()
        if self._failed:
            raise CopyFailed("\n".join(self._failed))
        return self._found

    def kill(self) -> None:
        """End all copies at once."""
        for pipe, (_, pid, _) in self._running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(pipe)
        self._running.clear()


def can(bench: Bench, kind: str) -> bool:
    """Can ``bench`` be copied where a cut of this kind comes?"""
    return bench.stands_alone and isinstance(bench.board, CopiedBoard) and (
        kind in bench.board.can_be_copied_at)


def results(
    bench: Bench, cuts: Sequence[Cut], tell: Callable[[], None],
    ended: Callable[[Bench, Cut], Found], jobs: int = 1,
) -> dict[Cut, Found]:
    """Let ``tell`` tell its story, and where each of ``cuts`` comes, a copy of ``bench`` have it.

    ``ended(bench, cut)``: called in each copy when the story is over; its result. Cuts that the
    story never comes to are not in what is returned. Two ways to hit one flash operation often
    leave the chips alike; everything else is alike anyway, and the second has the first one's
    result.
    """
    copies: Copies[Cut, Found] = Copies(jobs)
    try:
        _Watch(bench, cuts, copies)
        tell()
        if copies.mine is not None:
            found = ended(bench, copies.mine)
            bench.close()
            copies.end(found)
        _forget(bench)
        found_by_cut = copies.results()
        return found_by_cut | {
            cut: found_by_cut[first] for cut, first in copies.equals.items()}
    except BaseException:
        if copies.mine is not None:
            copies.fail()
        copies.kill()
        raise


def apart(cuts: Sequence[Cut], run: Callable[[Cut], Found], jobs: int) -> dict[Cut, Found]:
    """``run`` each of ``cuts`` in a process of its own."""
    copies: Copies[Cut, Found] = Copies(jobs)
    try:
        for cut in cuts:
            if copies.begin(cut):
                copies.end(run(cut))
        return copies.results()
    except BaseException:
        if copies.mine is not None:
            copies.fail()
        copies.kill()
        raise


def _forget(bench: Bench) -> None:
    # Neither counts nor waits any more.
    for nor in bench.rig.flash:
        nor.on_op = None
        nor.disarm()
    bench.line.before_bytes = None
    bench.line.forget_cut()


class _Watch:
    # Sees every flash operation and every piece of bytes before it comes, and makes the copies.

    def __init__(self, bench: Bench, cuts: Sequence[Cut], copies: Copies[Cut, Any]) -> None:
        self._bench = bench
        self._copies = copies
        self._at_ops: dict[int, list[Cut]] = {}
        self._at_bytes: list[Cut] = []
        # A cut that is torn by the seed takes a number of the chip's when it is ordered.
        self._number = bench.rig.flash[0].random.state
        for cut in cuts:
            if cut.kind == "power":
                self._at_ops.setdefault(cut.at, []).append(cut)
            else:
                self._at_bytes.append(cut)
        if self._at_ops:
            bench.power_cut(at_flash_op=_NEVER, torn=False)
            for nor in bench.rig.flash:
                nor.on_op = self._operation
        if self._at_bytes:
            bench.line.cut(after_bytes=_NEVER)
            self._began = bench.line.carried
            bench.line.before_bytes = self._bytes

    def _operation(self, kind: str, sector: int, offset: int, size: int, us: int) -> None:
        left = self._bench.rig.flash[0].armed
        if left is None or left < _NEVER // 2:
            return  # the story itself has done something with the power: no telling what is meant
        for cut in self._at_ops.pop(_NEVER - left, ()):
            if cut.how == "torn" and self._bench.rig.flash[0].random.state != self._number:
                continue
            if self._begin(cut, among=cut.at):
                replace(cut, at=0).arm(self._bench)
                self._tell_state()
                return

    def _bytes(self, count: int) -> None:
        line = self._bench.line
        if line.bytes_to_cut is None or line.bytes_to_cut < _NEVER // 2:
            return
        done = line.carried - self._began
        for cut in [cut for cut in self._at_bytes if cut.at <= done + count]:
            self._at_bytes.remove(cut)
            if self._begin(cut):
                replace(cut, at=cut.at - done).arm(self._bench)
                return

    def _tell_state(self) -> None:
        # Once the chips are as the cut leaves them.
        rig, tell = self._bench.rig, self._bench.rig.power_was_cut

        def power_was_cut() -> None:
            tell()
            digest = hashlib.sha256()
            for nor in rig.flash:
                # Which numbers the chip draws next matters to unstable cells only.
                weak = (sorted(nor.weak.items()), nor.random.state) if nor.weak else ()
                digest.update(bytes(nor.mem) + repr(weak).encode())
            if self._copies.state(digest.digest()):
                self._bench.close()
                self._copies.give_way()

        rig.power_was_cut = power_was_cut  # type: ignore[method-assign]

    def _begin(self, cut: Cut, among: Any = None) -> bool:
        if not self._copies.begin(cut, among):
            return False
        self._bench.copied()
        _forget(self._bench)
        return True
