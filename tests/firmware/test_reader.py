"""Cards, scans and printer answers on one line: taken apart, or refused with a reason."""

from devices_world import Wire, World

from mobi.devices import track2
from mobi.devices.reader import Reader
from mobi.loop import Queue

PAN = "6222021234567890128"
TRACK = PAN + "=30121010000012345"
SWIPE = (";" + TRACK + "?").encode()
TRACK1 = ("%B" + PAN + "^TEST/CARD^30121010000012345?").encode()


class Line:
    """A reader on a wire; what comes out is collected."""

    def __init__(self, takes=None, size=16):
        self.world = World()
        self.wire = Wire()
        self.queue = Queue(size)
        self.reader = Reader(self.wire, self.wire.event, self.queue, takes)
        self.world.loop.spawn("reader", self.reader.run(), vital=True)
        self.world.run(1)

    def get(self, *pieces, gap=5):
        """Pieces of bytes arrive ``gap`` ms apart; what came out 200 ms after the last."""
        for piece in pieces:
            self.wire.arrive(piece)
            self.world.run(gap)
        self.world.run(200)
        found = []
        while True:
            item = self.queue.pop()
            if item is None:
                break
            found.append(item)
        assert bytes(self.reader._text) == bytes(len(self.reader._text)), "the buffer is wiped"
        assert bytes(self.reader._chunk) == bytes(len(self.reader._chunk)), "the chunk is wiped"
        return found


def lrc(track):
    return bytes((track2.lrc(track, 0, len(track)),))


def test_a_swipe_with_and_without_its_trimmings():
    card = [("card", TRACK)]
    for before in (b"", TRACK1, b"%B12\xff\x07=;?", TRACK1 + b"A", TRACK1 + b"%", TRACK1 + b";"):
        for checked in (b"", lrc(SWIPE)):
            for track3 in (b"", b"+5801234=1?", b"+5801\xff=1?7"):
                for end in (b"", b"\r", b"\r\n", b"\n"):
                    data = before + SWIPE + checked + track3 + end
                    assert Line().get(data) == card, data


def test_a_swipe_in_pieces_of_any_size():
    data = TRACK1 + SWIPE + lrc(SWIPE) + b"\r"
    for size in (1, 2, 7, 31, 32, 33, 64):
        line = Line()
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert line.get(*pieces) == [("card", TRACK)], size


def test_two_swipes_give_two_cards():
    assert Line().get(SWIPE + b"\r" + SWIPE + b"\r") == [("card", TRACK)] * 2
    assert Line().get(SWIPE + SWIPE) == [("card", TRACK)] * 2
    assert Line().get(TRACK1 + SWIPE + TRACK1 + SWIPE) == [("card", TRACK)] * 2


def test_half_a_swipe_and_then_silence():
    for size in range(5, len(SWIPE)):
        assert Line().get(SWIPE[:size]) == [("unreadable", "cut off")], size


def test_half_a_swipe_that_is_tried_again_at_once():
    assert Line().get(SWIPE[:20] + SWIPE + b"\r") == [("unreadable", "cut off"), ("card", TRACK)]


def test_a_swipe_that_hesitates_too_long():
    line = Line()
    found = line.get(SWIPE[:20], SWIPE[20:], gap=100)
    assert found[0] == ("unreadable", "cut off")
    assert not any(kind == "card" for kind, _ in found)


def test_a_busy_processor_does_not_cut_a_swipe():
    # The rest lies in the UART while another task computes; the event comes too late.
    line = Line()
    line.wire.arrive(SWIPE[:20])
    line.world.run(5)

    async def compute():
        line.world.us += 300000
        line.wire.waiting += SWIPE[20:]

    line.world.loop.spawn("compute", compute())
    line.world.run(1)
    assert line.get() == [("card", TRACK)]


def test_every_flipped_bit_in_a_swipe_with_lrc_is_noticed():
    whole = SWIPE + lrc(SWIPE)
    for at in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            for kind, what in Line().get(bytes(data) + b"\r"):
                assert kind == "unreadable", (at, bit, kind, what)


def test_a_lost_byte_never_gives_another_card():
    # The LRC does not see a lost 0: that is left to the check digit of the card number.
    whole = SWIPE + lrc(SWIPE)
    for at in range(len(whole) - 1):
        for kind, what in Line().get(whole[:at] + whole[at + 1 :] + b"\r"):
            if kind != "unreadable":
                assert whole[at : at + 1] == b"0", (at, kind, what)
                pan, expiry, _ = track2.parse(what)
                assert (pan, expiry) == (PAN, "3012") or not track2.luhn(pan), (at, pan)


def test_unreadable_swipes_say_why():
    for data, why in (
        (b";E?\r", "garbled"),
        (b"%E?;E?\r", "garbled"),
        (b"%E?\r", "no track 2"),
        (TRACK1 + b"\r", "no track 2"),
        (TRACK1, "no track 2"),
        (SWIPE[:10] + b"\xf5" + SWIPE[11:] + b"\r", "garbled"),
        (SWIPE[:10] + b"\x07" + SWIPE[11:] + b"\r", "garbled"),
        (SWIPE[:-1] + b"0" * 60 + b"?\r", "too long"),
        (SWIPE[:-1] + b"0" * 4 + b"?\r", "length"),
        (SWIPE[1:] + b"\r", "garbled"),
        (SWIPE + bytes((lrc(SWIPE)[0] ^ 1,)) + b"\r", "LRC"),
        (b";12345=30121010000?\r", "card number"),
        (b";" + PAN.encode() + b"=3013101?\r", "expiry"),
        (b";" + PAN.encode() + b"=301?\r", "expiry"),
        (b";" + PAN.encode() + b"?\r", "length"),
    ):
        assert Line().get(data) == [("unreadable", why)], data


def test_an_error_text_holds_no_card_number():
    for data in (SWIPE[1:], SWIPE[:30], SWIPE[:-1] + b"9999?"):
        for _, why in Line().get(data + b"\r"):
            assert not any("0" <= c <= "9" for c in why), why


def test_scans():
    assert Line().get(b"134567890123456789\r") == [("scan", "134567890123456789")]
    assert Line().get(b"287654321098765432\r\n") == [("scan", "287654321098765432")]
    assert Line().get(b"MOBI-000123.45/AB\r") == [("scan", "MOBI-000123.45/AB")]
    assert Line().get(b"1" * 64 + b"\r") == [("scan", "1" * 64)]


def test_scans_that_do_not_end_or_are_too_long():
    assert Line().get(b"134567890123456789") == [("unreadable", "cut off")]
    assert Line().get(b"1" * 65 + b"\r") == [("unreadable", "too long")]


def test_noise_between_swipes_is_counted_and_nothing_else():
    line = Line()
    assert line.get(b"\xff\x00\x81") == []
    assert line.get(b"7") == []
    assert line.get(b"\r\n\r") == []
    assert line.reader.garbage == 4
    assert line.get(SWIPE + b"\r") == [("card", TRACK)]


def test_printer_answers_are_handed_over_even_inside_a_swipe():
    taken = []

    def takes(byte):
        if byte in (0x12, 0x00):
            taken.append(byte)
            return True
        return False

    line = Line(takes)
    assert line.get(SWIPE[:9] + b"\x12" + SWIPE[9:] + b"\x00\r") == [("card", TRACK)]
    assert line.get(b"\x12", b"1345\x12678\r") == [("scan", "1345678")]
    assert taken == [0x12, 0x00, 0x12, 0x12]


def test_printer_answers_that_look_like_characters():
    # 0x32 is "2": paper end, as DLE EOT 2 tells it. Alone it is an answer, in a scan it is a digit.
    taken = []

    def takes(byte):
        taken.append(byte)
        return byte in (0x32, 0x72)

    line = Line(takes)
    assert line.get(b"2") == []
    assert line.get(b"r") == []
    assert line.get(b"22") == []
    assert taken == [0x32, 0x72]
    assert line.get(b"2134567890\r") == [("scan", "2134567890")]
    assert line.get(SWIPE + b"\r") == [("card", TRACK)]
    assert taken == [0x32, 0x72]


def test_no_task_runs_while_the_line_is_silent():
    line = Line()
    line.get(SWIPE + b"\r")
    turns = line.world.loop.turns
    line.world.run(60000)
    assert line.world.loop.turns - turns == 2


def test_a_full_queue_drops_and_counts():
    line = Line(size=1)
    assert line.get(SWIPE + b"\r" + SWIPE + b"\r") == [("card", TRACK)]
    assert line.reader.dropped == 1


def test_any_noise_at_all_never_hurts():
    value = 99
    line = Line()
    for _ in range(200):
        data = bytearray()
        for _ in range(40):
            value = (value * 1103515245 + 12345) & 0x3FFFFFFF
            # Mostly bytes that mean something here.
            data.append(b";%?=\r0123456789+\x12\xff"[(value >> 8) % 18])
        for kind, _ in line.get(bytes(data)):
            assert kind in ("card", "scan", "unreadable")
    assert line.get(SWIPE + b"\r")[-1] == ("card", TRACK)


def test_track2_is_taken_apart():
    assert track2.parse(TRACK) == (PAN, "3012", "101")
    assert track2.parse("4000000000000=3012101") == ("4000000000000", "3012", "101")
    for bad in ("", "=", PAN, PAN + "=", PAN + "=3000101", PAN + "=30121", "12345678901=3012101",
                PAN + "1=3012101", PAN + "=3012101=1", PAN + "D3012101",
                PAN + "=3012101" + "0" * 20):
        try:
            track2.parse(bad)
        except track2.BadTrack:
            continue
        raise AssertionError(bad)


def test_luhn():
    # 4539 1488 0343 6467 and 79927398713 are the textbook's examples.
    for good in ("4539148803436467", "79927398713", "18", "0"):
        assert track2.luhn(good), good
        last = int(good[-1])
        for wrong in range(10):
            if wrong != last:
                assert not track2.luhn(good[:-1] + str(wrong))
    assert not track2.luhn("") and not track2.luhn("4539 1488")
