"""The ISO 8583 codec: every way a field is written, and hostile messages."""

from binascii import hexlify, unhexlify

from mobi.acquiring import codes
from mobi.acquiring.iso8583 import FIELDS, LIMIT, BadMessage, Message, Packer

TPDU = unhexlify("6000030000")
HEADER = unhexlify("603100000100")

# Field: value and how it stands in the message.
SAMPLES = (
    (2, "6222021234567890128", "196222021234567890" + "1280"),
    (3, "310000", "310000"),
    (4, 12345, "000000012345"),
    (11, 17, "000017"),
    (12, "235959", "235959"),
    (13, "1231", "1231"),
    (14, "3012", "3012"),
    (15, "0101", "0101"),
    (22, "021", "0210"),
    (23, "001", "0001"),
    (25, "00", "00"),
    (26, "12", "12"),
    (32, "48021000", "0848021000"),
    (35, "6222021234567890128=3012101", "27" + "6222021234567890128D30121010"),
    (36, "996222=1", "0008996222D1"),
    (37, "123456789012", "313233343536373839303132"),
    (38, "A1", "413120202020"),
    (39, "00", "3030"),
    (41, "00000001", "3030303030303031"),
    (42, "123456789012345", "313233343536373839303132333435"),
    (44, b"48020000   ", "1134383032303030302020" + "20"),
    (48, "0102", "00040102"),
    (49, "156", "313536"),
    (52, b"\x01\x02\x03\x04\x05\x06\x07\xff", "01020304050607FF"),
    (53, "2600000000000000", "2600000000000000"),
    (54, b"1002156C000000001000", "0020" + "3130303231353643303030303030303031303030"),
    (55, b"\x9f\x26", "00029F26"),
    (60, "22000001000", "001122000001" + "0000"),
    (61, "0000010000170101", "00160000010000170101"),
    (62, bytes(range(40)), "0040" + hexlify(bytes(range(40))).decode().upper()),
    (63, "01 ", "0003303120"),
)


def pack(fields, mti="0200", mac=None):
    packer = Packer()
    packer.begin(TPDU, HEADER, mti)
    for field, value in fields:
        packer.put(field, value)
    return packer.end(mac)


def why(function, *args):
    try:
        function(*args)
    except BadMessage as error:
        return error.field, error.reason
    raise AssertionError("accepted")


def parse(data):
    message = Message()
    message.parse(data)
    return message


def test_every_field_is_written_as_the_table_says():
    assert [sample[0] for sample in SAMPLES] == [row[0] for row in FIELDS][:-1]
    for field, value, expected in SAMPLES:
        data = bytes(pack([(field, value)]))
        assert data[:13] == TPDU + HEADER + b"\x02\x00"
        bitmap = 1 << (64 - field)
        assert int.from_bytes(data[13:21], "big") == bitmap, field
        assert hexlify(data[21:]).decode().upper() == expected, field


def test_every_field_is_read_back():
    message = parse(pack([(field, value) for field, value, _ in SAMPLES]))
    assert message.mti == "0200" and message.demand == 0
    for field, value, _ in SAMPLES:
        assert message.has(field)
        if isinstance(value, bytes):
            assert bytes(message.raw(field)) == value, field
        elif field in (37, 38, 39, 41, 42, 49):
            assert message.text(field) == value, field
        elif field == 63:
            assert bytes(message.raw(field)) == b"01 "
        else:
            got = message.digits(field)
            assert (int(got) if isinstance(value, int) else got) == value, field
    assert not message.has(64) and message.digits(20) == "" and message.text(5) == ""


def test_the_mac_covers_message_type_to_the_last_field():
    seen = []

    def mac(data):
        seen.append(bytes(data))
        return b"ABCD1234"

    data = bytes(pack([(3, "000000"), (63, "x")], mac=mac))
    # The bitmap already says that field 64 is there.
    assert seen == [data[11:-8]] and data[20] & 1 and data[-8:] == b"ABCD1234"
    message = parse(data)
    assert bytes(message.body()) == seen[0] and bytes(message.raw(64)) == b"ABCD1234"


def test_packing_refuses_what_does_not_fit():
    for field, value, reason in (
        (2, "12345678901234567890", "length"), (2, "", "length"), (2, "12a4", "digit"),
        (3, "1234567", "length"), (4, -5, "digit"), (4, 10 ** 12, "length"), (22, "21", "length"),
        (35, "12=34=5x", "digit"), (39, "000", "length"), (41, "000000012", "length"),
        (37, "x" * 13, "length"), (38, "\u00e9", "character"), (52, b"1234567", "length"),
        (62, bytes(513), "length"), (60, "1" * 20, "length"), (5, "1", "unknown"),
        (1, "1", "unknown"), (65, "1", "unknown"), (0, "1", "unknown"), (-2, "1", "unknown"),
        (4, "\u0661" * 12, "digit"),
    ):
        assert why(pack, [(field, value)]) == (field, reason), (field, value)
    assert why(pack, [(4, 1), (3, "000000")]) == (3, "order")
    assert why(pack, [(3, "000000"), (3, "000000")]) == (3, "order")


def test_a_message_never_outgrows_its_buffer():
    assert why(pack, [(48, "1" * 322), (55, bytes(255)), (62, bytes(512)), (63, bytes(163))]) == (
        63, "room")


def test_the_demand_digit_is_the_sixth_of_the_header():
    data = bytearray(pack([(39, "00")]))
    data[7] = 0x93
    assert parse(data).demand == 3


def good():
    fields = [(field, value) for field, value, _ in SAMPLES]
    return bytearray(pack(fields, mac=lambda data: data[:8]))


def test_broken_messages_are_named():
    data = good()
    assert why(parse, data + b"\x00") == (0, "trailing")
    assert why(parse, data[:-1]) == (64, "short")
    assert why(parse, data[:20]) == (0, "short")
    assert why(parse, b"") == (0, "short")
    assert why(parse, data + bytes(LIMIT)) == (0, "length")
    wrong = bytearray(data)
    wrong[0] = 0x61
    assert why(parse, wrong) == (0, "tpdu")
    wrong = bytearray(data)
    wrong[11] = 0x0A
    assert why(parse, wrong) == (0, "digit")
    wrong = bytearray(data)
    wrong[13] |= 0x80
    assert why(parse, wrong) == (1, "bitmap")
    wrong = bytearray(data)
    wrong[16] |= 0x10
    assert why(parse, wrong) == (28, "unknown")
    for at, value, expected in (
        (21, 0x20, (2, "length")),  # 20 digits
        (21, 0x1A, (2, "length")),  # no number
        (22, 0xA2, (2, "digit")),
        (32, 0x0A, (3, "digit")),
    ):
        wrong = bytearray(data)
        wrong[at] = value
        assert why(parse, wrong) == expected, expected
    name = data.index(b"00000001")
    wrong = bytearray(data)
    wrong[name] = 0x07
    assert why(parse, wrong) == (41, "character")


def test_the_padding_nibble_may_be_anything():
    data = good()
    at = data.index(b"\x12\x80")
    data[at + 1] = 0x8F
    assert parse(data).digits(2) == "6222021234567890128"


def test_every_truncation_is_an_error_and_leaves_the_fields_before_it():
    data = bytes(good())
    message = Message()
    for size in range(len(data)):
        field, reason = why(message.parse, data[:size])
        assert reason == "short", size
        if field > 2:
            assert message.digits(2) == "6222021234567890128"
        assert not message.has(field)


def test_mutations_never_end_in_anything_but_a_named_error():
    data = good()
    message = Message()
    state = 20261122
    accepted = 0
    for _ in range(6000):
        wrong = bytearray(data)
        state = (state * 48271) % 2147483647
        for _ in range(1 + state % 4):
            state = (state * 48271) % 2147483647
            at = state % len(wrong)
            wrong[at] = (state >> 11) & 0xFF
        if state & 1024:
            wrong = wrong[: state % len(wrong)]
        try:
            message.parse(wrong)
        except BadMessage as error:
            assert 0 <= error.field <= 64 and error.reason
        else:
            accepted += 1
        for field in range(1, 65):
            # Whatever was found can be read.
            message.digits(field) if field not in (37, 38, 39, 41, 42, 49) else message.text(field)
            message.raw(field)
    assert 0 < accepted < 4000


def test_random_bytes_behind_a_good_start():
    message = Message()
    state = 7
    for _ in range(3000):
        state = (state * 48271) % 2147483647
        body = bytearray(14 + state % 90)
        for i in range(len(body)):
            state = (state * 48271) % 2147483647
            body[i] = (state >> 7) & 0xFF
        body[0:2] = b"\x02\x10"
        body[2] &= 0x7F
        try:
            message.parse(TPDU + HEADER + body)
        except BadMessage:
            pass


def test_the_error_carries_its_local_response_code():
    try:
        parse(b"")
    except BadMessage as error:
        assert error.code == codes.GARBLED
        assert str(error) == "F0: short"
