"""Frames: stuffing, FCS, seeds, and what the decoder makes of damage."""

from mobi.link.frame import (
    PAYLOAD,
    PLAIN_SEED,
    REPLY,
    SYNCED,
    Decoder,
    Encoder,
    fcs16,
    session_seed,
)

SEED = session_seed(123456, b"\x01\x02\x03\x04")


def wire_of(control, payload, seed=SEED, room=16):
    encoder = Encoder()
    encoder.begin(control, payload, seed)
    out = b""
    piece = bytearray(room)
    while True:
        count = encoder.fill(piece)
        if not count:
            return out
        out += bytes(piece[:count])


def frames(data, step=7, seed=SEED):
    """What a decoder finds in ``data``, fed in pieces."""
    decoder = Decoder()
    decoder.seed = seed
    found = []
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        at = 0
        while at < len(piece):
            at = decoder.feed(piece, at, len(piece))
            if decoder.payload is not None:
                found.append((decoder.control, bytes(decoder.payload)))
    return found, decoder


def test_known_check_value():
    # The published check value of CRC-16/X.25.
    assert fcs16(b"123456789", 9) ^ 0xFFFF == 0x906E


def test_a_frame_byte_by_byte():
    assert wire_of(SYNCED, b"\x01", PLAIN_SEED) == b"\x7e\xe0\x01\x57\xf7\x7e"
    # Flag and escape inside are escaped, with bit 5 turned.
    assert b"\x7d\x5e\x7d\x5d" in wire_of(REPLY | 1, b"\x7e\x7d")


def test_round_trip_of_all_sizes_and_pieces():
    data = bytes([(i * 37 + 11) & 0xFF for i in range(PAYLOAD)])
    for size in (0, 1, 2, 61, 62, 63, 64, 65, 255, 256, PAYLOAD):
        for room in (4, 5, 64):
            wire = wire_of(REPLY | 3, data[:size], room=room)
            found, decoder = frames(wire, 3 + room)
            assert found == [(REPLY | 3, data[:size])]
            assert decoder.bad == 0 and decoder.too_long == 0


def test_payload_full_of_flags():
    for byte in (b"\x7e", b"\x7d"):
        wire = wire_of(REPLY | 31, byte * PAYLOAD)
        assert frames(wire, 64)[0] == [(REPLY | 31, byte * PAYLOAD)]
        assert wire.count(b"\x7e") == 2


def test_payload_too_long_is_refused():
    try:
        Encoder().begin(REPLY, bytes(PAYLOAD + 1), SEED)
    except ValueError:
        return
    raise AssertionError("taken")


def test_frames_may_share_a_flag():
    one, two = wire_of(REPLY | 1, b"one"), wire_of(REPLY | 2, b"two")
    assert frames(one + two[1:])[0] == [(REPLY | 1, b"one"), (REPLY | 2, b"two")]
    assert frames(one + b"\x7e\x7e" + two)[0] == [(REPLY | 1, b"one"), (REPLY | 2, b"two")]


def test_what_stands_before_the_first_flag_is_skipped():
    found, decoder = frames(b"garbage" + wire_of(REPLY | 1, b"x"))
    assert found == [(REPLY | 1, b"x")] and decoder.bad == 0


def test_damage_is_counted_and_the_next_frame_is_found():
    good = wire_of(REPLY | 1, b"good")
    bad = bytearray(good)
    bad[3] ^= 1
    found, decoder = frames(bytes(bad) + good)
    assert found == [(REPLY | 1, b"good")] and decoder.bad == 1


def test_a_lost_closing_flag_costs_only_its_frame():
    one, two = wire_of(REPLY | 1, b"one"), wire_of(REPLY | 2, b"two")
    found, decoder = frames(one[:-1] + two)
    # The flag that opens the second one closes the first.
    assert found == [(REPLY | 1, b"one"), (REPLY | 2, b"two")]
    found, decoder = frames(one[:-2] + two)
    assert found == [(REPLY | 2, b"two")] and decoder.bad == 1


def test_an_abandoned_frame_is_no_frame():
    one, two = wire_of(REPLY | 1, b"one"), wire_of(REPLY | 2, b"two")
    found, decoder = frames(one[:-1] + b"\x7d" + two)
    assert found == [(REPLY | 2, b"two")] and decoder.bad == 0


def test_a_frame_too_long_is_skipped_to_the_next_flag():
    found, decoder = frames(b"\x7e" + bytes(3000) + wire_of(REPLY | 2, b"two"), 64)
    assert found == [(REPLY | 2, b"two")] and decoder.too_long == 1


def test_a_frame_of_another_session_fails():
    wire = wire_of(REPLY | 1, b"old", session_seed(7, b"host"))
    found, decoder = frames(wire)
    assert found == [] and decoder.bad == 1
    assert decoder.is_of(session_seed(7, b"host")) and not decoder.is_of(SEED)


def test_kept_payload_survives_later_frames():
    decoder = Decoder()
    decoder.seed = SEED
    wire = wire_of(REPLY | 1, b"first")
    decoder.feed(wire, 0, len(wire))
    kept = decoder.keep()
    for i in range(3):
        wire = wire_of(REPLY | 2, b"%d" % i * 5)
        decoder.feed(wire, 0, len(wire))
        assert decoder.payload is not None
    assert bytes(kept) == b"first"


def test_random_damage_never_invents_a_frame():
    # 3000 damaged frames; the generator is our own, so that both interpreters see the same ones.
    state = 12345
    payload = b"0200 some message of a terminal"
    good = wire_of(REPLY | 9, payload)
    wrong = 0
    for _ in range(3000):
        bad = bytearray(good)
        state = (state * 48271) % 2147483647
        for _ in range(1 + state % 3):
            state = (state * 48271) % 2147483647
            bad[1 + state % (len(good) - 2)] = (state >> 8) & 0xFF
        for control, found in frames(bytes(bad), 64)[0]:
            if (control, found) != (REPLY | 9, payload):
                wrong += 1
    # One damaged frame in 65536 passes any 16-bit FCS.
    assert wrong <= 1
