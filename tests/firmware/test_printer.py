"""The printer driver: what it sends, and what it claims when paper, cover or wire let it down."""

from devices_world import Wire, World

from mobi.devices import printer as p
from mobi.devices.reader import Reader
from mobi.loop import Queue

_SIZES = {b"\x1b!": 3, b"\x1c!": 3, b"\x1dB": 3, b"\x1ba": 3, b"\x1bd": 3, b"\x1dV": 3,
          b"\x1b@": 2, b"\x1c&": 2, b"\x1dr": 3}
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"


class Head:
    """A printer as far as the driver needs one; prints when ``work`` is called or at once."""

    def __init__(self):
        self.lines = []
        self.commands = []
        self.line = b""
        self.held = b""
        self.paper = None  # lines left; None: plenty
        self.cover_open = False
        self.silent = False
        self.knows_marks = True
        self.low = False
        self.broken = False
        self.swallow = []  # indexes of answers that the wire loses
        self.answers = 0
        self.frozen = False  # takes lines but does not print

    def offline(self):
        return self.cover_open or self.paper == 0 or self.broken

    def receive(self, data):
        if self.silent:
            return b""
        out = b""
        if data == _CLEAR:
            self.held = b""
            self.line = b""
        elif data[:2] == b"\x10\x04":
            assert len(data) == 3
            out = self.say(self.status(data[2]))
        else:
            self.held += data
        return out + self.work()

    def say(self, byte):
        self.answers += 1
        return b"" if self.answers - 1 in self.swallow else bytes((byte,))

    def status(self, what):
        if what == 1:
            return 0x12 | (0x08 if self.offline() else 0)
        if what == 2:
            return 0x12 | (0x04 if self.cover_open else 0) | (0x20 if self.paper == 0 else 0)
        assert what == 4
        return 0x12 | (0x60 if self.paper == 0 else 0) | (0x0C if self.low else 0)

    def work(self):
        out = b""
        while self.held and not self.offline() and not self.frozen:
            if self.held in (b"\x1b", b"\x1c", b"\x1d"):
                break
            size = _SIZES.get(self.held[:2], 1)
            if len(self.held) < size:
                break
            piece, self.held = self.held[:size], self.held[size:]
            if size > 1:
                self.commands.append(piece)
                if piece == b"\x1b@":
                    self.line = b""
                elif piece[:2] == b"\x1dr" and self.knows_marks:
                    out += self.say(0x00)
                elif piece[:2] == b"\x1bd":
                    for _ in range(piece[2]):
                        self.out()
            elif piece == b"\n":
                self.out()
            else:
                self.line += piece
        return out

    def out(self):
        self.lines.append(self.line)
        self.line = b""
        if self.paper:
            self.paper -= 1


class Desk:
    """Driver, reader and printer on one wire."""

    def __init__(self, **options):
        self.world = World()
        self.head = Head()
        self.wire = Wire(self.head.receive)
        self.printer = p.Printer(self.wire, 19200, lambda text: text.encode(), **options)
        self.queue = Queue(8)
        self.reader = Reader(self.wire, self.wire.event, self.queue, self.printer.take)
        self.world.loop.spawn("reader", self.reader.run(), vital=True)

    def start(self, lines):
        return self.world.loop.spawn("job", catch(self.printer.print_lines(lines)))

    def print(self, lines):
        """(error, lines that surely came out): the outcome of a job."""
        return self.world.loop.run(self.start(lines))

    def check(self):
        return self.world.loop.run(self.world.loop.spawn("check", catch(self.printer.check())))[0]


async def catch(coroutine):
    try:
        return None, await coroutine
    except p.PrinterError as error:
        return type(error), error.printed


def text(count):
    return [(p.NORMAL, f"line {i}") for i in range(count)]


def test_lines_come_out_in_order_and_are_counted():
    for count in (0, 1, 3, 4, 5, 8, 9, 30):
        desk = Desk()
        assert desk.print(text(count)) == (None, count)
        assert desk.head.lines == [b"line %d" % i for i in range(count)]
        assert desk.queue.pop() is None, "answers must not look like cards"


def test_chinese_mode_is_set_and_styles_only_when_they_change():
    desk = Desk(cutter=True)
    desk.print([
        (p.NORMAL, "a"),
        (p.BIG | p.CENTRE, "b"),
        (p.BIG | p.CENTRE, "c"),
        (p.INVERTED, "d"),
        (p.BOLD | p.RIGHT, b"\xc4\xa9"),
        (p.RULE, None),
        (p.FEED, 2),
        (p.TALL, "e"),
        (p.WIDE, "f"),
        (p.CUT, None),
    ])
    styles = [c for c in desk.head.commands if c[:2] != b"\x1dr"]
    assert styles == [
        b"\x1b@", b"\x1b@", b"\x1c&",
        b"\x1b!\x30", b"\x1c!\x0c", b"\x1ba\x01",
        b"\x1b!\x00", b"\x1c!\x00", b"\x1dB\x01", b"\x1ba\x00",
        b"\x1b!\x08", b"\x1c!\x00", b"\x1dB\x00", b"\x1ba\x02",
        b"\x1b!\x00", b"\x1c!\x00", b"\x1ba\x00",
        b"\x1bd\x02",
        b"\x1b!\x10", b"\x1c!\x08",
        b"\x1b!\x20", b"\x1c!\x04",
        b"\x1bd\x04", b"\x1dV\x01",
    ]
    assert desk.head.lines == [
        b"a", b"b", b"c", b"d", b"\xc4\xa9", b"-" * 32, b"", b"", b"e", b"f", b"", b"", b"", b"",
    ]


def test_every_job_sets_its_own_styles():
    desk = Desk()
    desk.print([(p.BIG, "a")])
    desk.head.commands.clear()
    desk.print([(p.BIG, "b")])
    assert b"\x1b!\x30" in desk.head.commands and b"\x1c!\x0c" in desk.head.commands


def test_without_a_cutter_nothing_cuts():
    desk = Desk(cutter=False)
    desk.print([(p.NORMAL, "a"), (p.CUT, None)])
    assert not any(c[:2] == b"\x1dV" for c in desk.head.commands)


def test_text_from_the_host_cannot_carry_commands():
    desk = Desk()
    assert desk.print([(p.NORMAL, b"ok\x1b@\x10\x04\x01\n\x1dV\x01")]) == (None, 1)
    assert desk.head.lines == [b"ok @     V "]


def test_no_turn_sends_more_than_the_wire_can_take():
    desk = Desk()
    sizes = []
    write = desk.wire.write

    def spy(data):
        sizes.append((desk.world.us, len(data)))
        return write(data)

    desk.wire.write = spy
    lines = text(20)
    lines.append((p.NORMAL, "x" * 100))
    desk.print(lines)
    assert max(size for _, size in sizes) <= 32
    for i in range(len(sizes) - 1):
        assert sizes[i + 1][0] - sizes[i][0] >= sizes[i][1] * 10 * 1000000 // 19200


def test_a_uart_that_takes_only_a_few_bytes():
    desk = Desk()
    desk.wire.accepts = 5
    # Status requests must stay whole; the head collects pieces like a real one.
    head = Head()
    pending = []

    def receive(data):
        pending.append(data)
        whole = b"".join(pending)
        if whole.startswith(b"\x10") and len(whole) < 3:
            return b""
        del pending[:]
        return head.receive(whole)

    desk.wire.answer = receive
    assert desk.print(text(6)) == (None, 6)
    assert head.lines == [b"line %d" % i for i in range(6)]


def test_a_uart_that_takes_nothing_is_a_silent_printer():
    desk = Desk()
    desk.wire.accepts = 0
    assert desk.print(text(6)) == (p.PrinterSilent, 0)


def test_no_paper_before_the_job():
    desk = Desk()
    desk.head.paper = 0
    assert desk.print(text(5)) == (p.PaperOut, 0)
    assert desk.head.lines == []


def test_cover_open_before_the_job():
    desk = Desk()
    desk.head.cover_open = True
    assert desk.print(text(5)) == (p.CoverOpen, 0)


def test_a_fault_of_the_printer():
    desk = Desk()
    desk.head.broken = True
    assert desk.check() is p.PrinterError


def test_a_silent_printer_is_asked_three_times():
    desk = Desk()
    desk.head.silent = True
    assert desk.print(text(5)) == (p.PrinterSilent, 0)
    assert bytes(desk.wire.sent).count(b"\x10\x04\x04") == 3


def test_a_late_answer_does_not_answer_the_next_question():
    desk = Desk()
    desk.head.broken = True
    delays = [300, 10, 60, 10, 10, 10]

    def receive(data):
        answer = desk.head.receive(data)
        if answer:
            desk.world.after(delays.pop(0), lambda: desk.wire.arrive(answer))
        return b""

    desk.wire.answer = receive
    assert desk.check() is p.PrinterError


def test_paper_ends_after_every_possible_line():
    # What is claimed must be true, and not far from what could be known.
    for left in range(1, 12):
        desk = Desk()
        desk.head.paper = left
        error, printed = desk.print(text(12))
        assert error is p.PaperOut, left
        assert left - 4 <= printed <= left, (left, printed)
        assert desk.head.lines == [b"line %d" % i for i in range(left)]


def test_what_was_not_printed_never_comes_out_by_itself():
    desk = Desk()
    desk.head.paper = 3
    desk.print(text(12))
    desk.head.paper = None
    desk.head.work()
    assert desk.head.lines == [b"line 0", b"line 1", b"line 2"]
    assert desk.print([(p.NORMAL, "again")]) == (None, 1)
    assert desk.head.lines[3:] == [b"again"]


def test_cover_opened_in_the_middle():
    desk = Desk()
    job = desk.start(text(40))

    def open_cover():
        desk.head.cover_open = True

    desk.world.after(200, open_cover)
    error, printed = desk.world.loop.run(job)
    assert error is p.CoverOpen
    assert printed <= len(desk.head.lines) <= printed + 8
    assert 0 < len(desk.head.lines) < 40


def test_supply_lost_in_the_middle():
    desk = Desk()
    job = desk.start(text(40))

    def cut():
        desk.head.silent = True

    desk.world.after(200, cut)
    error, printed = desk.world.loop.run(job)
    assert error is p.PrinterSilent
    assert printed <= len(desk.head.lines)


def test_every_single_lost_answer_is_survived():
    for lost in range(12):
        desk = Desk()
        desk.print(text(1))  # so that it is known that marks are answered
        desk.head.answers = 0
        desk.head.swallow = [lost]
        assert desk.print(text(14)) == (None, 14), lost


def test_lost_answers_never_let_us_claim_more_than_was_printed():
    for lost in range(3, 9):
        for left in range(1, 16):
            desk = Desk()
            desk.print(text(1))
            desk.head.lines.clear()
            desk.head.answers = 0
            desk.head.swallow = [lost]
            desk.head.paper = left
            error, printed = desk.print(text(16))
            assert error is p.PaperOut and printed <= left, (lost, left, printed)


def test_answers_to_an_old_job_do_not_count_for_the_new_one():
    desk = Desk()
    desk.print(text(1))
    # The printer takes lines but prints none, and forgets nothing although it is told to.
    desk.head.frozen = True
    receive = desk.head.receive
    desk.wire.answer = lambda data: b"" if data == _CLEAR else receive(data)
    error, printed = desk.print(text(8))
    assert error is p.PrinterError and printed == 0

    def thaw():
        # All of the old lines come out, with their marks, and then there is no paper left.
        desk.head.paper = 8
        desk.head.frozen = False
        desk.wire.arrive(desk.head.work())

    desk.world.after(300, thaw)
    assert desk.print([(p.NORMAL, "new")]) == (p.PaperOut, 0)
    assert len(desk.head.lines) == 1 + 8


def test_what_a_cancelled_job_left_in_the_printer_does_not_come_out():
    desk = Desk()
    desk.print(text(1))
    desk.head.frozen = True
    job = desk.start(text(8))
    desk.world.after(300, job.cancel)
    desk.world.run(400)
    assert job.done.is_set() and b"line" in desk.head.held
    desk.head.frozen = False
    assert desk.print([(p.NORMAL, "next")]) == (None, 1)
    assert desk.head.lines == [b"line 0", b"next"]


def test_a_printer_without_marks_is_paced_and_asked():
    desk = Desk()
    desk.head.knows_marks = False
    assert desk.print(text(9)) == (None, 9)
    assert desk.head.lines == [b"line %d" % i for i in range(9)]
    desk.head.lines.clear()
    desk.head.paper = 6
    error, printed = desk.print(text(12))
    assert error is p.PaperOut and printed <= 6


def test_near_end_is_told():
    desk = Desk()
    assert desk.check() is None and not desk.printer.near_end
    desk.head.low = True
    assert desk.check() is None and desk.printer.near_end


def test_a_swipe_while_printing_is_read():
    desk = Desk()
    swipe = b";6222021234567890128=30121010000012345?\r"
    job = desk.start(text(20))
    for i in range(len(swipe)):
        desk.world.after(100 + 3 * i, lambda i=i: desk.wire.arrive(swipe[i : i + 1]))
    assert desk.world.loop.run(job) == (None, 20)
    desk.world.run(200)
    assert desk.queue.pop() == ("card", "6222021234567890128=30121010000012345")


def test_a_cancelled_job_leaves_the_driver_usable():
    desk = Desk()
    job = desk.start(text(40))
    desk.world.after(150, job.cancel)
    desk.world.run(300)
    assert job.done.is_set()
    assert 0 < len(desk.head.lines) < 40
    desk.head.lines.clear()
    assert desk.print([(p.NORMAL, "next")]) == (None, 1)
    assert desk.head.lines[-1] == b"next"


def test_nobody_waits_for_an_answer_when_no_job_runs():
    desk = Desk()
    desk.print(text(3))
    assert not desk.printer.take(0x12)
    assert not desk.printer.take(0x00)


def test_half_a_character_never_takes_the_line_feed():
    for bad, good in (
        (b"\xc4", b"?"), (b"ab\xc4", b"ab?"), (b"\xc4\xa9\xbb", b"\xc4\xa9?"), (b"\xc4 x", b"? x"),
        (b"\x80\xff", b"??"), (b"\xc4\x7f", b"??"), (b"\xc4\xff", b"??"), (b"\xc4\n", b"? "),
    ):
        desk = Desk()
        assert desk.print([(p.NORMAL, bad), (p.NORMAL, "next")]) == (None, 2)
        assert desk.head.lines == [good, b"next"], (bad, desk.head.lines)
    desk = Desk()
    desk.print([(p.NORMAL, b"\xc4\xa9\xb1\xca~\x1b@")])
    assert desk.head.lines == [b"\xc4\xa9\xb1\xca~ @"]


def test_a_printer_that_never_answers_prints_at_the_pace_of_paper():
    desk = Desk()
    desk.printer.answers = False
    desk.head.silent = False
    desk.head.knows_marks = False
    desk.head.status = None  # a question would fail
    begun = desk.world.us
    assert desk.print(text(9)) == (None, 9)
    assert desk.head.lines == [b"line %d" % i for i in range(9)]
    assert desk.world.us - begun > 800000
    assert desk.check() is None
