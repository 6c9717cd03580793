"""The cooperative loop: coroutines, one kind of wait, and a clock that is handed in.

Why not asyncio: it reads the hardware clock by itself, so a 60 s timeout would take 60 s in
every test. Here the clock and the place where the processor sleeps are arguments; on a board
they are ``time`` and ``select.poll``, on the bench they are simulated, and a run replays.

Rules for tasks:

* All times are milliseconds on the wrapping ``ticks`` counter; never compare two of them
  except through ``Loop.left`` / ``clock.ticks_diff``.
* A turn of the loop runs one task up to its next ``await``. Do at most one piece of I/O
  between two awaits, so that no key, byte or watchdog waits longer than one such piece.
* Waiting is always on events with an optional timeout; nothing polls.
"""

import io

from micropython import const

_POLLIN = const(1)


class Cancelled(Exception):
    """Thrown into a task that is being cancelled. Let it pass; clean up in ``finally``."""


class _Wait:
    # What a task yields to the loop: wake me when one of these events is set, or at the
    # deadline. Awaiting it gives the event that fired, or None at the deadline.
    def __init__(self, events, timeout_ms):
        self.events = events
        self.timeout_ms = timeout_ms
        self.fired = None

    def __iter__(self):
        # A generator ends without an exception object; ``__next__`` would cost one each time.
        yield self
        return self.fired

    __await__ = __iter__


# These tell nothing afterwards, so all tasks may share them.
_NEXT_TURN = _Wait((), 0)
# Known by itself: wake me when no other task can run and the loop would go to sleep.
_IDLE = _Wait((), None)


class Event:
    """A flag that tasks wait for. It stays set until ``clear``."""

    def __init__(self):
        self._set = False
        self._wait = None  # without a timeout it can only end one way: all tasks may share it

    def set(self):
        """Set the flag. Safe to call from a pin interrupt."""
        self._set = True

    def clear(self):
        """Take the flag back."""
        self._set = False

    def is_set(self):
        """True while the flag is set."""
        return self._set

    def wait(self, timeout_ms=None):
        """Await this: the event itself once set, None when ``timeout_ms`` passed first."""
        if timeout_ms is not None:
            return _Wait((self,), timeout_ms)
        if self._wait is None:
            self._wait = _Wait((self,), None)
        return self._wait


class Queue:
    """A bounded first-in first-out queue. A full queue refuses, it never grows."""

    def __init__(self, size):
        self._items = [None] * size
        self._first = 0
        self._count = 0
        self.ready = Event()

    def put(self, item):
        """Append ``item``; False when there was no room and it was dropped."""
        if self._count == len(self._items):
            return False
        self._items[(self._first + self._count) % len(self._items)] = item
        self._count += 1
        self.ready.set()
        return True

    def pop(self):
        """Take the oldest item, or None when the queue is empty."""
        if not self._count:
            return None
        item = self._items[self._first]
        self._items[self._first] = None
        self._first = (self._first + 1) % len(self._items)
        self._count -= 1
        if not self._count:
            self.ready.clear()
        return item

    def clear(self):
        """Forget everything that waits."""
        while self.pop() is not None:
            pass

    async def get(self, timeout_ms=None):
        """The oldest item; waits for one; None when ``timeout_ms`` passed first."""
        if not self._count:
            await self.ready.wait(timeout_ms)
        return self.pop()


def sleep_ms(ms):
    """Await this to let other tasks run for at least ``ms`` milliseconds; again if need be."""
    return _Wait((), ms) if ms else _NEXT_TURN


def first_of(*events, timeout_ms=None):
    """Await this: the first of ``events`` that is set, or None when the time passed first."""
    return _Wait(events, timeout_ms)


def idle():
    """Await this to go on only when no other task has anything to do just now."""
    return _IDLE


class Task:
    """A running coroutine. ``done`` is set at its end; ``error`` then holds what ended it."""

    def __init__(self, name, coro, vital):
        self.name = name
        self.vital = vital
        self.done = Event()
        self.result = None
        self.error = None
        self._coro = coro
        self._wait = None
        self._deadline = None
        self._cancel = False

    def cancel(self):
        """Ask the task to end: ``Cancelled`` is thrown at its next turn."""
        self._cancel = True


def _raise(task):
    raise task.error or RuntimeError("task ended: " + task.name)


class Loop:
    """Runs tasks by turns.

    ``clock``: ``ticks_ms()``, ``ticks_us()``, ``ticks_add(t, ms)``, ``ticks_diff(a, b)``; the
    module ``time`` on a board.
    ``sleep(ms)``: where the processor waits; returns at an interrupt, at input on a watched
    stream, or after ``ms`` milliseconds (None: no limit).
    """

    def __init__(self, clock, sleep):
        self.clock = clock
        self._sleep = sleep
        self._tasks = []
        self._next = 0
        # Called with a task that died of an error, and with a vital task that ended at all: a
        # terminal without its keypad task must stop visibly instead of looking alive.
        self.on_death = _raise
        self.turns = 0
        self.longest_turn_us = 0
        self.longest_turn_name = ""
        self.slept_us = 0

    def spawn(self, name, coro, vital=False):
        """Start ``coro`` as a task. The end of a ``vital`` task is reported to ``on_death``."""
        task = Task(name, coro, vital)
        self._tasks.append(task)
        return task

    def close(self):
        """End all tasks where they stand; for whoever runs more than one loop in a process."""
        while self._tasks:
            self._tasks.pop()._coro.close()

    def left(self, deadline):
        """Milliseconds from now until ``deadline`` (a ticks value); negative when past."""
        return self.clock.ticks_diff(deadline, self.clock.ticks_ms())

    def after(self, ms):
        """The ticks value ``ms`` milliseconds from now."""
        return self.clock.ticks_add(self.clock.ticks_ms(), ms)

    def run(self, until=None):
        """Run until the task ``until`` ends (for ever without one); gives its result."""
        while until is None or not until.done.is_set():
            if not self.turn():
                before = self.clock.ticks_us()
                self._sleep(self.until_next())
                self.slept_us += self.clock.ticks_diff(self.clock.ticks_us(), before)
        if until.error is not None:
            raise until.error
        return until.result

    def turn(self):
        """Run one task that is due. False when none was."""
        # The loop itself is most of what an interactive terminal computes: no calls in here that
        # are not needed, and one look at the clock.
        tasks = self._tasks
        count = len(tasks)
        diff = self.clock.ticks_diff
        now = self.clock.ticks_ms()
        idler = None
        at = self._next
        for _ in range(count):
            if at >= count:
                at = 0
            task = tasks[at]
            at += 1
            wait = task._wait
            if wait is _IDLE and not task._cancel:
                idler = idler or task
                continue
            due = wait is None or task._cancel
            if not due:
                for event in wait.events:
                    if event._set:
                        wait.fired = event
                        due = True
                        break
                else:
                    deadline = task._deadline
                    due = deadline is not None and diff(deadline, now) <= 0
            if due:
                self._next = at
                self._step(task)
                return True
        if idler is not None:
            self._step(idler)
            return True
        return False

    def until_next(self):
        """Milliseconds until a task is due; None when all of them wait for events only."""
        diff = self.clock.ticks_diff
        now = self.clock.ticks_ms()
        nearest = None
        for task in self._tasks:
            if task._deadline is not None:
                left = diff(task._deadline, now)
                if nearest is None or left < nearest:
                    nearest = left
        return nearest if nearest is None or nearest > 0 else 0

    def _step(self, task):
        began = self.clock.ticks_us()
        task._wait = None
        task._deadline = None
        try:
            if task._cancel:
                task._cancel = False
                wait = task._coro.throw(Cancelled())
            else:
                wait = task._coro.send(None)
        except StopIteration as end:
            self._end(task, end.value, None)
        except Cancelled:
            self._end(task, None, None)
        except Exception as error:  # noqa: BLE001  whatever a task dies of is reported
            self._end(task, None, error)
        else:
            task._wait = wait
            if wait.timeout_ms is not None:
                task._deadline = self.after(wait.timeout_ms)
        took = self.clock.ticks_diff(self.clock.ticks_us(), began)
        self.turns += 1
        if took > self.longest_turn_us:
            self.longest_turn_us = took
            self.longest_turn_name = task.name

    def _end(self, task, result, error):
        self._tasks.remove(task)
        task.result = result
        task.error = error
        task.done.set()
        if task.vital or error is not None:
            self.on_death(task)


class Wake(io.IOBase):
    """A stream that exists only to end a ``select.poll``: set from a pin interrupt."""

    def __init__(self):
        self._set = False

    def set(self):
        """End the sleep that is going on, or the next one."""
        self._set = True

    def clear(self):
        """Arm it again."""
        self._set = False

    def ioctl(self, request, arg):
        """The stream protocol of MicroPython: 3 asks which of the flags ``arg`` hold now."""
        return arg if request == 3 and self._set else 0


class Poller:
    """Where a board sleeps: ``select.poll`` until input, an interrupt, or the time is up.

    ``watch(stream)`` gives an ``Event`` that is set when the stream has bytes to read; the
    reader clears it once it has read them all. ``wake`` is for pin interrupts.
    """

    def __init__(self, poll):
        self._poll = poll
        self._streams = []
        self._events = []
        self.wake = Wake()
        poll.register(self.wake, _POLLIN)

    def watch(self, stream):
        """Register ``stream`` for reading; its event."""
        event = Event()
        self._poll.register(stream, _POLLIN)
        self._streams.append(stream)
        self._events.append(event)
        return event

    def sleep(self, ms):
        """Sleep at most ``ms`` milliseconds (None: no limit); set the events of streams."""
        for ready in self._poll.ipoll(-1 if ms is None else ms):
            stream = ready[0]
            if stream is self.wake:
                self.wake.clear()
            else:
                self._events[self._streams.index(stream)].set()
