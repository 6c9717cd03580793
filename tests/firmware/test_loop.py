"""The cooperative loop: waits, timeouts, order, idle tasks, deaths, tick wrap."""

from mobi.loop import Cancelled, Event, Loop, Queue, first_of, idle, sleep_ms

_MASK = (1 << 30) - 1


class Clock:
    """A 30-bit clock that moves only when the loop sleeps."""

    def __init__(self, ms=0):
        self.us = ms * 1000

    def ticks_ms(self):
        return (self.us // 1000) & _MASK

    def ticks_us(self):
        return self.us & _MASK

    def ticks_add(self, t, d):
        return (t + d) & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)

    def sleep(self, ms):
        assert ms is not None, "nobody would ever wake the loop"
        self.us += ms * 1000


def make(ms=0):
    clock = Clock(ms)
    return clock, Loop(clock, clock.sleep)


def test_sleep_takes_exactly_its_time():
    clock, loop = make()

    async def story():
        await sleep_ms(250)
        return clock.ticks_ms()

    assert loop.run(loop.spawn("story", story())) == 250


def test_time_goes_on_over_the_wrap_of_the_counter():
    clock, loop = make((1 << 30) - 100)
    seen = []

    async def story():
        for _ in range(4):
            await sleep_ms(50)
            seen.append(clock.ticks_ms())

    loop.run(loop.spawn("story", story()))
    assert seen == [(1 << 30) - 50, 0, 50, 100]


def test_event_wakes_and_timeout_gives_none():
    clock, loop = make()
    event = Event()
    seen = []

    async def waiter():
        seen.append(await event.wait(100) is None)
        seen.append(await event.wait(100) is event)

    async def setter():
        await sleep_ms(150)
        event.set()

    loop.spawn("setter", setter())
    loop.run(loop.spawn("waiter", waiter()))
    assert seen == [True, True] and clock.ticks_ms() == 150


def test_first_of_tells_which():
    _clock, loop = make()
    a, b = Event(), Event()

    async def story():
        b.set()
        return await first_of(a, b, timeout_ms=10) is b

    assert loop.run(loop.spawn("story", story()))


def test_queue_is_bounded_and_in_order():
    _clock, loop = make()
    queue = Queue(2)
    assert queue.put(1) and queue.put(2) and not queue.put(3)

    async def story():
        return [await queue.get(), await queue.get(), await queue.get(5)]

    assert loop.run(loop.spawn("story", story())) == [1, 2, None]


def test_tasks_take_turns():
    _clock, loop = make()
    seen = []

    async def story(name):
        for _ in range(3):
            seen.append(name)
            await sleep_ms(0)

    loop.spawn("a", story("a"))
    loop.run(loop.spawn("b", story("b")))
    assert seen == ["a", "b", "a", "b", "a", "b"]


def test_idle_task_runs_only_when_nothing_else_can():
    _clock, loop = make()
    seen = []

    async def background():
        while True:
            await idle()
            seen.append("idle")
            await sleep_ms(1000)

    async def story():
        for _ in range(3):
            seen.append("work")
            await sleep_ms(0)
        await sleep_ms(1)

    loop.spawn("background", background())
    loop.run(loop.spawn("story", story()))
    assert seen == ["work", "work", "work", "idle"]


def test_death_of_a_vital_task_is_reported_with_its_name():
    _clock, loop = make()
    dead = []
    loop.on_death = lambda task: dead.append((task.name, str(task.error)))

    async def keypad():
        await sleep_ms(5)
        raise ValueError("stuck")

    async def story():
        await sleep_ms(10)

    loop.spawn("keypad", keypad(), vital=True)
    loop.run(loop.spawn("story", story()))
    assert dead == [("keypad", "stuck")]


def test_end_of_a_vital_task_without_error_is_reported_too():
    _clock, loop = make()
    dead = []
    loop.on_death = lambda task: dead.append(task.name)

    async def link():
        await sleep_ms(1)

    async def story():
        await sleep_ms(5)

    loop.spawn("link", link(), vital=True)
    loop.run(loop.spawn("story", story()))
    assert dead == ["link"]


def test_cancel_runs_the_clean_up():
    clock, loop = make()
    seen = []

    async def story():
        try:
            await sleep_ms(10000)
        except Cancelled:
            seen.append("cancelled")
            raise
        finally:
            seen.append("clean")

    task = loop.spawn("story", story())
    loop.turn()
    task.cancel()
    loop.run(task)
    assert seen == ["cancelled", "clean"] and clock.ticks_ms() == 0


def test_the_longest_turn_is_known_by_name():
    clock, loop = make()

    async def slow():
        clock.us += 7000
        await sleep_ms(0)

    loop.run(loop.spawn("slow", slow()))
    assert loop.longest_turn_us == 7000 and loop.longest_turn_name == "slow"
