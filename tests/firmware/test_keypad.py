"""The key matrix scanner: interrupt, debounce, rollover, ghosts, stuck keys, repetition."""

from devices_world import Matrix, World

from mobi.devices.keypad import LAYOUT, Keypad
from mobi.loop import Queue


class Pad:
    """A keypad in its world; keys are pressed by name."""

    def __init__(self, size=32, held=(), start_ms=(1 << 30) - 300, **options):
        self.world = World(start_ms)
        self.matrix = Matrix()
        self.queue = Queue(size)
        self.wakes = 0
        for name in held:
            self.matrix.close(self.where(name))
        self.keypad = Keypad(
            self.matrix.rows, self.matrix.columns, self.queue, self.world, self, **options
        )
        self.task = self.world.loop.spawn("keypad", self.keypad.run(), vital=True)
        self.world.run(1)

    def set(self):
        self.wakes += 1

    @staticmethod
    def where(name):
        for r, row in enumerate(LAYOUT):
            if name in row:
                return r, row.index(name)
        raise KeyError(name)

    def down(self, ms, *names):
        self.world.after(ms, lambda: self.matrix.close(*[self.where(n) for n in names]))

    def up(self, ms, *names):
        self.world.after(ms, lambda: self.matrix.open(*[self.where(n) for n in names]))

    def keys(self, ms=200):
        self.world.run(ms)
        found = []
        while True:
            name = self.queue.pop()
            if name is None:
                return found
            found.append(name)


def test_every_key_comes_out_once_by_its_name():
    for row in LAYOUT:
        for name in row:
            pad = Pad()
            pad.down(10, name)
            pad.up(90, name)
            assert pad.keys() == [name], name


def test_nothing_is_polled_while_no_key_is_down():
    pad = Pad()
    before = pad.matrix.scans
    turns = pad.world.loop.turns
    assert pad.keys(60000) == []
    assert pad.matrix.scans == before
    assert pad.world.loop.turns - turns == 2, "only the task that ends the run"
    assert pad.wakes == 0


def test_the_interrupt_wakes_the_processor():
    pad = Pad()
    pad.down(10, "5")
    pad.up(60, "5")
    assert pad.keys() == ["5"]
    assert pad.wakes == 1


def test_a_key_counts_within_ten_milliseconds():
    pad = Pad()
    pad.down(20, "5")
    assert pad.keys(19) == []
    assert pad.keys(10) == ["5"]


def test_bouncing_contacts_give_one_key():
    pad = Pad()
    for at in (0, 2, 4, 5, 7):
        pad.down(10 + at, "8")
        pad.up(10 + at + 1, "8")
    pad.down(18, "8")
    for at in (0, 3, 6, 9):
        pad.up(100 + at, "8")
        pad.down(101 + at, "8")
    pad.up(112, "8")
    assert pad.keys(400) == ["8"]
    assert pad.keypad.held() == []


def test_a_release_that_bounces_over_whole_scans_gives_no_second_key():
    # Scans happen at 10, 18, 26, ... ms; the contact is seen open once, then twice.
    for opens, closes in ((105, 107), (105, 115)):
        pad = Pad()
        pad.down(10, "8")
        pad.up(opens, "8")
        pad.down(closes, "8")
        pad.up(closes + 18, "8")
        assert pad.keys(400) == ["8"], (opens, closes)


def test_a_spark_shorter_than_a_scan_is_no_key():
    pad = Pad()
    pad.down(10, "8")
    pad.up(13, "8")
    assert pad.keys() == []


def test_the_same_key_twice():
    pad = Pad()
    for at in (10, 100):
        pad.down(at, "0")
        pad.up(at + 50, "0")
    assert pad.keys(300) == ["0", "0"]


def test_overlapping_fingers_keep_their_order():
    pad = Pad()
    pad.down(10, "1")
    pad.down(40, "2")
    pad.up(60, "1")
    pad.down(80, "3")
    pad.up(100, "2")
    pad.up(130, "3")
    assert pad.keys(300) == ["1", "2", "3"]


def test_keys_of_one_column_do_not_short_two_outputs():
    # Matrix raises Short as soon as a high and a low output meet.
    pad = Pad()
    pad.down(10, "1")
    pad.down(40, "4")
    pad.down(70, "2")
    pad.up(100, "4")
    pad.up(150, "1", "2")
    assert pad.keys(300) == ["1", "4", "2"]


def test_two_keys_within_one_scan_have_no_order_and_do_not_count():
    pad = Pad()
    pad.down(10, "1", "2")
    pad.up(80, "1", "2")
    pad.down(150, "3")
    pad.up(200, "3")
    assert pad.keys(400) == ["3"]


def test_a_third_key_waits_until_one_is_released():
    pad = Pad()
    pad.down(10, "1")
    pad.down(40, "5")
    pad.down(70, "9")
    assert pad.keys(100) == ["1", "5"]
    pad.up(0, "1")
    assert pad.keys(100) == ["9"]


def test_a_ghost_never_counts():
    # 1, 2 and 4 close 5 as seen from the pins.
    pad = Pad()
    pad.down(10, "1")
    pad.down(40, "2")
    pad.down(70, "4")
    assert pad.keys(200) == ["1", "2"]
    pad.up(0, "1")
    # Without its third corner the ghost is gone, and 4 is really pressed.
    assert pad.keys(100) == ["4"]
    pad.up(0, "2", "4")
    assert pad.keys(200) == []


def test_a_stuck_key_is_told_once_and_the_others_still_work():
    told = []
    pad = Pad(on_stuck=told.append)
    pad.down(10, "7")
    assert pad.keys(9900) == ["7"]
    assert told == []
    assert pad.keys(60000) == []
    assert told == ["7"]
    assert pad.keypad.stuck() == ["7"]
    for name in ("1", "9", "4"):
        pad.down(0, name)
        pad.up(80, name)
        assert pad.keys() == [name]
    pad.down(0, "1")
    pad.down(50, "5")
    pad.up(100, "1", "5")
    assert pad.keys() == ["1", "5"]
    pad.up(0, "7")
    assert pad.keys() == []
    assert pad.keypad.stuck() == []
    pad.down(0, "7")
    pad.up(50, "7")
    assert pad.keys() == ["7"]


def test_a_stuck_key_is_scanned_lazily():
    pad = Pad()
    pad.down(0, "7")
    pad.keys(20000)
    before = pad.matrix.scans
    pad.keys(1000)
    assert pad.matrix.scans - before <= 26 * 5


def test_a_key_held_at_power_on_does_not_count():
    pad = Pad(held=("ENTER",))
    assert pad.keypad.held() == ["ENTER"]
    assert pad.keys() == []
    pad.down(0, "3")
    pad.up(50, "3")
    assert pad.keys() == ["3"]
    pad.up(0, "ENTER")
    assert pad.keys() == []
    pad.down(0, "ENTER")
    pad.up(50, "ENTER")
    assert pad.keys() == ["ENTER"]


def test_a_key_stuck_since_power_on_is_told():
    for start_ms in (50000, (1 << 30) - 5000):
        told = []
        pad = Pad(held=("0",), on_stuck=told.append, start_ms=start_ms)
        pad.keys(9900)
        assert told == []
        pad.keys(200)
        assert told == ["0"]


def test_arrows_repeat_while_held_and_digits_do_not():
    pad = Pad()
    pad.down(0, "DOWN")
    pad.up(1000, "DOWN")
    assert pad.keys(1500) == ["DOWN"] * 5  # at 0, 500, 650, 800 and 950 ms
    pad.down(0, "5")
    pad.up(1000, "5")
    assert pad.keys(1500) == ["5"]


def test_repetition_ends_with_its_own_key_even_if_another_is_held():
    pad = Pad()
    pad.down(0, "1")
    pad.down(50, "DOWN")
    pad.up(150, "DOWN")
    assert pad.keys(2000) == ["1", "DOWN"]


def test_a_stuck_arrow_does_not_repeat_for_ever():
    pad = Pad(size=100)
    pad.down(0, "DOWN")
    # At once, after 500 ms, then every 150 ms, as seen by scans 8 ms apart.
    assert 60 < len(pad.keys(10000)) < 66
    pad.keys(200)
    assert pad.keys(60000) == []


def test_another_key_ends_the_repetition():
    pad = Pad()
    pad.down(0, "BACK")
    pad.down(200, "1")
    assert pad.keys(2000) == ["BACK", "1"]


def test_a_full_queue_drops_and_counts():
    pad = Pad(size=2)
    for i, name in enumerate("123"):
        pad.down(100 * i, name)
        pad.up(100 * i + 50, name)
    assert pad.keys(400) == ["1", "2"]
    assert pad.keypad.dropped == 1


def test_cancelling_leaves_no_interrupt_behind():
    pad = Pad()
    pad.task.vital = False
    pad.task.cancel()
    pad.world.run(10)
    assert all(column.handler is None for column in pad.matrix.columns)
    assert all(row.mode == row.IN for row in pad.matrix.rows)
