"""The display driver: a small SSD1306 of our own replays the bus and must show the buffer."""

from devices_world import Bus, World

from mobi.devices.ssd1306 import Ssd1306
from mobi.loop import Event


class Chip:
    """Replays what Ssd1306 sends: only the commands it uses; any other one is an error."""

    ONE = (0x20, 0x81, 0x8D, 0xA8, 0xD3, 0xD5, 0xD9, 0xDA, 0xDB)  # argument
    TWO = (0x21, 0x22)
    NONE = (0x40, 0xA1, 0xA4, 0xA6, 0xA7, 0xAE, 0xAF, 0xC8)

    def __init__(self):
        self.memory = bytearray(b"\x55" * 1024)
        self.on = False
        self.inverted = False
        self.contrast = None
        self.mode = None
        self.pump = False

    def replay(self, writes):
        for data in writes:
            if data[0] == 0x40:
                for byte in data[1:]:
                    self.pixel(byte)
            else:
                assert data[0] == 0x00
                at = 1
                while at < len(data):
                    size = 1 if data[at] in self.ONE else 2 if data[at] in self.TWO else 0
                    self.command(data[at], data[at + 1 : at + 1 + size])
                    at += 1 + size
        del writes[:]

    def command(self, code, arguments):
        if code == 0x20:
            self.mode = arguments[0]
        elif code == 0x21:
            self.first, self.last = arguments
            self.column = self.first
        elif code == 0x22:
            self.top, self.bottom = arguments
            self.page = self.top
        elif code == 0x81:
            self.contrast = arguments[0]
        elif code == 0x8D:
            self.pump = arguments[0] == 0x14
        elif code in (0xA6, 0xA7):
            self.inverted = code == 0xA7
        elif code in (0xAE, 0xAF):
            self.on = code == 0xAF
        else:
            assert code in self.ONE or code in self.NONE, hex(code)

    def pixel(self, byte):
        assert self.mode == 0
        self.memory[self.page * 128 + self.column] = byte
        self.column += 1
        if self.column > self.last:
            self.column = self.first
            self.page = self.top if self.page == self.bottom else self.page + 1


def make():
    bus = Bus()
    return bus, Chip(), Ssd1306(bus)


def flush(display, most=100):
    steps = 0
    while display.flush_step():
        steps += 1
        assert steps < most, "never comes to an end"
    return steps


def noise(seed):
    value = seed
    while True:
        value = (value * 1103515245 + 12345) & 0x3FFFFFFF
        yield value >> 16


def test_the_first_flush_shows_the_buffer_and_only_then_switches_on():
    bus, chip, display = make()
    display.buffer[5] = 0xAA
    display.buffer[1023] = 0x81
    while display.flush_step():
        chip.replay(bus.writes)
        assert not chip.on
    chip.replay(bus.writes)
    assert chip.on and chip.pump and chip.contrast == 0xCF
    assert chip.memory == display.buffer
    assert display.present


def test_nothing_is_sent_when_nothing_changed():
    bus, _, display = make()
    flush(display)
    del bus.writes[:]
    assert not display.flush_step()
    assert bus.writes == []


def test_one_changed_pixel_costs_one_byte_and_its_window():
    bus, chip, display = make()
    flush(display)
    chip.replay(bus.writes)
    for at in (300, 300 + 128):  # in the upper and in the lower page of a row
        display.buffer[at] ^= 4
        flush(display)
        assert [len(data) for data in bus.writes] == [7, 2]
        chip.replay(bus.writes)
        assert chip.memory == display.buffer


def test_both_pages_of_a_row_go_in_one_window():
    bus, chip, display = make()
    flush(display)
    chip.replay(bus.writes)
    for at in range(512 + 40, 512 + 48):
        display.buffer[at] = 0xFF
        display.buffer[at + 128] = 0x0F
    flush(display)
    assert [len(data) for data in bus.writes] == [7, 1 + 16]
    chip.replay(bus.writes)
    assert chip.memory == display.buffer


def test_spans_far_apart_are_sent_apart():
    bus, chip, display = make()
    flush(display)
    chip.replay(bus.writes)
    display.buffer[0] = 1
    display.buffer[127] = 1
    flush(display)
    assert [len(data) for data in bus.writes] == [7, 2, 7, 2]
    chip.replay(bus.writes)
    assert chip.memory == display.buffer


def test_no_step_keeps_the_bus_for_three_milliseconds():
    bus, _, display = make()
    for fill in (0xFF, 0x00, 0xA5):
        for at in range(1024):
            display.buffer[at] = fill
        while True:
            del bus.writes[:]
            more = display.flush_step()
            sent = sum(len(data) + 1 for data in bus.writes)
            assert sent * 9 * 1000 / 400 < 2300, sent  # microseconds at 400 kHz
            if not more:
                break


def test_random_drawing_between_any_two_steps_always_ends_in_the_buffer():
    numbers = noise(7)
    bus, chip, display = make()
    for _ in range(60):
        for _ in range(next(numbers) % 4):
            at = next(numbers) % 1024
            for i in range(next(numbers) % 40):
                display.buffer[(at + i) % 1024] = next(numbers) & 0xFF
        if next(numbers) % 5 == 0:
            display.refresh()
        for _ in range(next(numbers) % 6):
            display.flush_step()
        if next(numbers) % 3 == 0:
            # Inversion is what a menu does; it must not look like "nobody knows".
            for at in range(256):
                display.buffer[at] ^= 0xFF
    flush(display)
    chip.replay(bus.writes)
    assert chip.memory == display.buffer


def test_a_display_that_is_not_there_is_no_error():
    bus, _, display = make()
    bus.there = False
    display.contrast(10)
    display.power(True)
    assert not display.flush_step()
    assert not display.present
    assert display.lost.is_set()


def test_a_display_that_comes_back_is_set_up_and_shows_everything():
    bus, chip, display = make()
    display.contrast(99)
    display.buffer[10] = 0x3C
    flush(display)
    chip.replay(bus.writes)
    bus.there = False
    display.buffer[11] = 0x3C
    display.invert(True)
    assert not display.flush_step()
    assert not display.present and display.losses == 1
    bus.there = True
    fresh = Chip()
    flush(display)
    fresh.replay(bus.writes)
    assert fresh.memory == display.buffer
    assert fresh.on and fresh.inverted and fresh.contrast == 99
    assert display.present


def test_unplugging_between_two_spans_resends_all():
    bus, chip, display = make()
    flush(display)
    chip.replay(bus.writes)
    for at in range(1024):
        display.buffer[at] = at & 0xFF
    display.flush_step()
    display.flush_step()
    bus.there = False
    display.flush_step()
    bus.there = True
    del bus.writes[:]
    fresh = Chip()
    flush(display)
    fresh.replay(bus.writes)
    assert fresh.memory == display.buffer


def test_the_watch_brings_a_lost_display_back_within_a_second():
    world = World()
    bus, chip, display = make()
    changed = Event()

    async def screen():
        while True:
            await changed.wait()
            changed.clear()
            while display.flush_step():
                pass

    world.loop.spawn("screen", screen())
    world.loop.spawn("watch", display.watch(changed))
    changed.set()
    world.run(10)
    assert display.present
    turns = world.loop.turns
    world.run(60000)
    assert world.loop.turns - turns < 5, "the watch polls although nothing is lost"
    bus.there = False
    display.buffer[0] = 0xEE
    changed.set()
    world.run(4000)
    assert not display.present and display.losses == 1
    bus.there = True
    del bus.writes[:]
    world.run(1100)
    assert display.present
    chip.replay(bus.writes)
    assert chip.memory == display.buffer and chip.on
    turns = world.loop.turns
    world.run(60000)
    assert world.loop.turns - turns < 5, "the watch goes on although nothing is lost"


def test_refresh_sends_everything_without_switching_off():
    bus, chip, display = make()
    flush(display)
    chip.replay(bus.writes)
    chip.memory = bytearray(b"\x33" * 1024)
    display.refresh()
    while display.flush_step():
        chip.replay(bus.writes)
        assert chip.on
    assert chip.memory == display.buffer


def test_power_off_stays_off_over_a_refresh():
    bus, chip, display = make()
    flush(display)
    display.power(False)
    chip.replay(bus.writes)
    assert not chip.on
    display.refresh()
    flush(display)
    chip.replay(bus.writes)
    assert not chip.on
    display.power(True)
    chip.replay(bus.writes)
    assert chip.on
