"""The firmware's ISO 8583 codec against `pyiso8583`, both ways, for any values of any fields."""

import re

import iso8583
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mobi.acquiring.iso8583 import FIELDS, BadMessage, Message, Packer
from tests.host.iso_oracle import ENVELOPE, RAW, SPEC, TEXTS, TRACKS, decode, encode

DIGITS = "0123456789"
PRINTABLE = "".join(map(chr, range(32, 127)))


def value_of(field):
    """A strategy for a value of the field, as pyiso8583 writes it: text, digits or hex."""
    spec = SPEC[str(field)]
    size = spec["max_len"]
    low = size if spec["len_type"] == 0 else 1
    if field in TEXTS:
        return st.text(PRINTABLE, min_size=size, max_size=size)
    if field in RAW:
        return st.binary(min_size=low, max_size=size).map(lambda data: data.hex().upper())
    alphabet = DIGITS + "D" if field in TRACKS else DIGITS
    return st.text(alphabet, min_size=low, max_size=size)


@st.composite
def messages(draw):
    """A message as pyiso8583's dictionary."""
    fields = draw(st.lists(st.sampled_from([row[0] for row in FIELDS]), unique=True, max_size=12))
    values = {str(field): draw(value_of(field)) for field in fields}
    values["t"] = draw(st.text(DIGITS, min_size=4, max_size=4))
    return values


@settings(deadline=None)
@given(messages())
def test_what_the_library_writes_the_firmware_reads(values):
    data = encode(values)
    assume(len(data) <= 1024)
    message = Message()
    message.parse(data)
    assert message.mti == values.pop("t")
    for field in range(2, 65):
        expected = values.get(str(field), "")
        if field in RAW:
            assert bytes(message.raw(field)) == bytes.fromhex(expected)
        elif field in TEXTS:
            assert message.text(field) == expected.rstrip(" ")
        else:
            assert message.digits(field) == expected.replace("D", "=")
        assert message.has(field) == bool(expected)


@settings(deadline=None)
@given(messages())
def test_what_the_firmware_writes_the_library_writes_too_and_reads(values):
    data = encode(values)
    assume(len(data) <= 1024)
    packer = Packer()
    packer.begin(ENVELOPE[:5], ENVELOPE[5:], values["t"])
    mac = values.get("64")
    for field in sorted(int(key) for key in values if key not in ("t", "64")):
        value = values[str(field)]
        packer.put(field, bytes.fromhex(value) if field in RAW else value.replace("D", "=")
                   if field in TRACKS else value)
    packed = bytes(packer.end((lambda body: bytes.fromhex(mac)) if mac else None))
    assert packed == data
    assert decode(packed) == values


def library_reads(body):
    try:
        decoded, _ = iso8583.decode(body, SPEC)
    except iso8583.DecodeError as error:
        # The library looks at the padding nibble, which the firmware leaves to the host.
        found = re.fullmatch(r"Field data is (\d+) nibbles, expecting (\d+)", error.msg)
        assert found and int(found[1]) == int(found[2]) + 1, error
        return None
    return decoded


@settings(deadline=None, max_examples=500)
@given(messages(), st.data())
def test_damage_is_refused_by_name_or_read_as_the_library_reads_it(values, data):
    good = encode(values)
    assume(len(good) <= 1024)
    wrong = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        wrong[data.draw(st.integers(11, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wrong)))
    wrong = wrong[: cut if cut > 20 and data.draw(st.booleans()) else len(wrong)]
    message = Message()
    try:
        message.parse(wrong)
    except BadMessage as error:
        assert 0 <= error.field <= 64
        return
    # The firmware is the stricter one: what it takes, the library takes, with the same values.
    decoded = library_reads(bytes(wrong[11:]))
    if decoded is None:
        return
    for row in FIELDS:
        expected = decoded.get(str(row[0]), "")
        if row[0] in RAW:
            assert bytes(message.raw(row[0])).hex().upper() == expected
        elif row[0] in TEXTS:
            assert message.text(row[0]) == expected.rstrip(" ")
        elif expected and len(expected) == len(message.digits(row[0])):
            assert message.digits(row[0]) == expected.replace("D", "=")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_named_error_or_a_message(junk):
    for data in (junk, ENVELOPE + junk, ENVELOPE + b"\x02\x10" + junk):
        message = Message()
        try:
            message.parse(data)
        except BadMessage as error:
            assert error.reason


@pytest.mark.parametrize("row", FIELDS, ids=str)
def test_the_table_is_the_one_written_down_here(row):
    field, _, size = row
    assert SPEC[str(field)]["max_len"] == size
