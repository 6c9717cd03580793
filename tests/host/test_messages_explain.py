"""`mobi explain`: what it peels off, what it masks, which mistakes it recognises."""

import argparse

import pytest

from host_tools import explain, link
from host_tools.acquirer import security
from host_tools.cli import UserError
from tests.host.iso_oracle import ENVELOPE
from tests.host.test_messages import EXPECTED, MAK, answer, encode, reply_values, with_mac

PAN = "6222021234567890128"
DOUBLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def request(name="sale"):
    """A request of the terminal as the library writes it, MAC included."""
    return with_mac(EXPECTED[name])


def texts(*messages):
    """Why the reply does not fit, as the command prints it."""
    return [item.text for item in explain.differences(*messages)]


def test_a_good_exchange_is_called_good():
    text = explain.explain(request(), MAK)
    assert "message type 0200" in text and "the MAC is right" in text
    assert explain.differences(request(), answer("sale", reply_values("sale")), MAK) == []
    assert explain.differences(request(), answer("sale", reply_values("sale"))) == []


def test_nothing_secret_is_shown():
    keys = with_mac({**reply_values("sign_on"), "62": "5A" * 40})
    passed = bytearray(with_mac({**reply_values("sale"), "63": PAN.encode().hex()}))
    passed[20] |= 0x20  # field 59, which is passed over: track 2 may stand in it, or a PIN block
    passed[-29:-29] = b"\x00\x20" + b"5A5A5A5A" + bytes.fromhex("2A084C604973D4AE") + b"D3012555"
    assert explain.peel(passed).raw["59"], "it is read"
    for data in (request(), keys, encode(EXPECTED["batch_upload"]), passed, passed[:-1]):
        text = explain.explain(data, MAK).upper().replace(" ", "")
        for secret in (PAN, PAN[:-1], "2A084C604973D4AE", "D3012", "5A5A5A", MAK.hex().upper()):
            assert secret not in text, secret
    assert "622202*********0128" in explain.explain(request(), MAK)


OTHER_HEADER = bytes.fromhex("6000030000" + "6131000001000001")
WRAPPINGS = {
    "as it is": (lambda data: data, "TPDU 6000030000, header 603100000100, demand 0"),
    "length": (lambda data: len(data).to_bytes(2, "big") + data, "right, and not part"),
    "no length": (lambda data: b"\x00\x00" + data, "length prefix 0000: wrong"),
    "length with itself": (
        lambda data: (len(data) + 2).to_bytes(2, "big") + data, "counts its own two bytes"),
    "little endian": (lambda data: len(data).to_bytes(2, "little") + data, "low byte first"),
    "BCD": (lambda data: bytes.fromhex(f"{len(data):04d}") + data, "in BCD"),
    "letters": (lambda data: f"{len(data):04d}".encode() + data, "in four letters"),
    "bare": (lambda data: data[11:], "bare ISO 8583"),
    "bare with length": (
        lambda data: (len(data) - 11).to_bytes(2, "big") + data[11:], "bare ISO 8583"),
    "TPDU only": (lambda data: data[:5] + data[11:], "TPDU 6000030000, no header"),
    "header only": (lambda data: data[5:], "in front of the message type: 603100000100, 6 bytes"),
    "another header": (lambda data: OTHER_HEADER + data[11:], "6131000001000001, 13 bytes"),
    "a header like a type": (
        lambda data: bytes.fromhex("6000030000010008000020") + bytes(3) + data[11:], "14 bytes"),
    "another TPDU": (lambda data: b"\x68" + data[1:], "TPDU 6800030000"),
    "frame": (lambda data: link.frame(link.REQUEST, 7, data, b"sessions"), "control byte 07"),
}


@pytest.mark.parametrize("name", ["sale", "sign_on", "echo", "settlement"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_decodes_is_taken_and_its_wrapping_said(wrapping, name):
    wrap, note = WRAPPINGS[wrapping]
    whole = answer(name, EXPECTED[name])
    text = explain.explain(wrap(whole), MAK)
    assert note in text and f"message type {EXPECTED[name]['t']}\n" in text
    assert "broken" not in text
    assert ("the MAC is right" in text) == (name == "sale")


@pytest.mark.parametrize("wrapping", ["TPDU only", "another header", "another TPDU"])
def test_a_reply_in_another_envelope_is_none_for_the_terminal(wrapping):
    reply = answer("sale", reply_values("sale"))
    found = texts(request(), WRAPPINGS[wrapping][0](reply), MAK)
    assert len(found) == 1 and "the terminal takes" in found[0]


def _rows(data, row):
    return "".join(row(at, data[at:at + 16]) + "\n" for at in range(0, len(data), 16))


def _letters(data):
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


DUMPS = {
    "digits": lambda data: data.hex(),
    "spaces": lambda data: data.hex(" ").upper(),
    "0x": lambda data: "{ " + ", ".join(f"0x{byte:02X}" for byte in data) + " };",
    "backslash": lambda data: '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"',
    "Python": lambda data: repr(data),
    "dashes": lambda data: data.hex("-"),
    "colons": lambda data: data.hex(":"),
    "brackets": lambda data: "".join(f"[{byte:02x}]" for byte in data),
    "a log": lambda data: f"2026-11-27 12:00:01.5 [7] SEND {len(data)} bytes: {data.hex(' ')}",
    "hexdump -C": lambda data: _rows(data, lambda at, row: (
        f"{at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  |{_letters(row)}|"))
        + f"{len(data):08x}\n",
    "xxd": lambda data: _rows(data, lambda at, row: (
        f"{at:08x}: {row.hex(' ', -2):<39}  {_letters(row)}")),
    "Wireshark": lambda data: _rows(data, lambda at, row: (
        f"{at:04x}   {row.hex(' '):<47}   {_letters(row)}")),
    "od": lambda data: _rows(data, lambda at, row: f"{at:07o} {row.hex(' ')}")
        + f"{len(data):07o}\n",
}


@pytest.mark.parametrize("length", [b"", b"\x00\x00"])
@pytest.mark.parametrize("form", DUMPS)
def test_any_dump_is_read(form, length):
    data = length + request()
    found = explain.read_message(DUMPS[form](data), lambda: "")
    assert found[1] == data
    assert bool(found[0]) == (form not in ("digits", "spaces"))


@pytest.mark.parametrize("name", EXPECTED)
def test_dumps_of_every_message_are_read_to_the_byte(name):
    data = answer(name, EXPECTED[name])
    for form, dump in DUMPS.items():
        assert explain.read_message(dump(data), lambda: "")[1] == data, form


@pytest.mark.parametrize("data, why", [
    (b"", "begins with nothing"), (b"\xff\xff", "begins with FF"),
    (ENVELOPE, "too short"), (ENVELOPE + bytes.fromhex("0210" + "80" + "00" * 7), "second bitmap"),
    (request()[:-1], "field 64"), (request() + b"\0", "extra"),
])
def test_what_is_broken_is_named(data, why):
    text = explain.explain(data, MAK)
    assert "broken: " in text and why.lower() in text.lower()
    assert texts(request(), data)[0].startswith("the reply is broken")


def remade(make):
    """A sale whose field 64 is ``make(body without MAC)``."""
    data = request()
    return data[:-8] + make(data[11:-8])


def cup(data, key=MAK):
    return security.mac(security.encryptor(key), data)


def unpacked(body):
    """The body of a sale with every BCD digit as an ASCII character, lengths and bitmap hex."""
    values = {**EXPECTED["sale"], "2": "19" + PAN, "35": f"{len(EXPECTED['sale']['35'])}" +
              EXPECTED["sale"]["35"], "60": "0017" + EXPECTED["sale"]["60"]}
    text = "".join(values[key] for key in sorted((key for key in values if key != "t"), key=int)
                   if key != "52")
    at = text.index(values["53"])
    return (b"0200" + body[2:10] + text[:at].encode() + bytes.fromhex(values["52"]) +
            text[at:].encode())


TMK = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def wrapped(key):
    return security.encryptor(TMK).update(key)


MISTAKES = {
    "before bit 64 is set": lambda body, mak: cup(
        body[:9] + bytes((body[9] & 0xFE,)) + body[10:], mak),
    "TPDU and header are covered": lambda body, mak: cup(ENVELOPE + body, mak),
    "the header is covered": lambda body, mak: cup(ENVELOPE[5:] + body, mak),
    "the message type is left out": lambda body, mak: cup(body[2:], mak),
    "message type and bitmap": lambda body, mak: cup(body[10:], mak),
    "its letters are lower case": lambda body, mak: cup(body, mak).lower(),
    "padding": lambda body, mak: cup(body + b"\x80", mak),
    "once, in binary": lambda body, mak: security.encryptor(mak).update(security.fold(body)),
    "over the message as hexadecimal text": lambda body, mak: cup(body.hex().upper().encode(), mak),
    "hexadecimal text, lower case": lambda body, mak: cup(body.hex().encode(), mak),
    "over digits as text": lambda body, mak: cup(unpacked(body), mak),
    "the length in front is covered": lambda body, mak: cup(
        len(body).to_bytes(2, "big") + body, mak),
    "length, TPDU and header are covered": lambda body, mak: cup(
        (len(body) + 19).to_bytes(2, "big") + ENVELOPE + body, mak),
    "still wrapped": lambda body, mak: cup(body, wrapped(mak)),
    "the master key is used": lambda body, mak: cup(body, TMK),
    "another key": lambda body, mak: cup(body, bytes(8)),
}


@pytest.mark.parametrize("mak", [MAK, DOUBLE], ids=["single", "double"])
@pytest.mark.parametrize("cause", MISTAKES)
def test_usual_mistakes_of_a_mac_are_recognised(cause, mak):
    text = explain.explain(remade(lambda body: MISTAKES[cause](body, mak)), mak, TMK)
    assert "the MAC is WRONG" in text and cause in text
    assert ("it fits if" in text) == (cause != "another key")


@pytest.mark.parametrize("cause, key", [
    ("only the first half of the key is used", DOUBLE[:8]),
    ("only the second half of the key is used", DOUBLE[8:]),
    ("the halves of the key are swapped", DOUBLE[8:] + DOUBLE[:8]),
])
def test_key_length_mistakes_are_recognised(cause, key):
    text = explain.explain(remade(lambda body: cup(body, key)), DOUBLE)
    assert cause in text and "16 different bytes: triple DES" in text
    assert f"check value {security.kcv(DOUBLE).hex().upper()}" in text


def test_a_key_that_was_given_wrapped_is_noticed():
    text = explain.explain(remade(cup), wrapped(MAK), TMK)
    assert "the key given here is still wrapped" in text
    assert "(with --tmk" in explain.explain(remade(cup), wrapped(MAK))


def test_a_key_of_equal_halves_is_the_single_one():
    text = explain.explain(request(), MAK + MAK)
    assert "the MAC is right" in text and "both halves equal" in text


@pytest.mark.parametrize("change, first", [
    ({"t": "0200"}, "message type 0200"), ({"3": "310000"}, "field 3 is 310000"),
    ({"11": "000018"}, "field 11 is 000018, sent was 000017"), ({"41": "00000009"}, "field 41"),
    ({"42": "9" * 15}, "field 42"), ({"4": "000000000001"}, "field 4 is"),
    ({"39": ""}, "field 39"),
])
def test_the_first_difference_is_the_one_the_terminal_names(change, first):
    values = {k: v for k, v in {**reply_values("sale"), **change}.items() if v}
    found = texts(request(), answer("sale", values), MAK)
    assert found and found[0].startswith(first)


def test_a_missing_mac_and_a_refusal_without_one():
    values = reply_values("sale")
    assert "field 64 (MAC) is missing" in texts(request(), encode(values), MAK)[0]
    values["39"] = "51"
    assert explain.differences(request(), encode(values), MAK) == []
    assert "may come without" in explain.explain(encode(values), MAK)


def test_the_command(capsys, tmp_path):
    parser = argparse.ArgumentParser()
    explain.add_parser(parser.add_subparsers())
    file = tmp_path / "reply.txt"
    file.write_text(answer("sale", reply_values("sale")).hex(" "))
    args = parser.parse_args(["explain", request().hex(), f"@{file}", "--mak", MAK.hex()])
    assert args.run(args) == 0
    assert "the reply fits the request" in capsys.readouterr().out
    args = parser.parse_args(["explain", request().hex(), request().hex()])
    assert args.run(args) == 1
    assert "message type 0200" in capsys.readouterr().out
    for bad in ("xyz", "123", "@/nowhere"):
        args = parser.parse_args(["explain", bad])
        with pytest.raises(UserError):
            args.run(args)
    with pytest.raises(SystemExit):
        parser.parse_args(["explain", "00", "--mak", "1234"])
