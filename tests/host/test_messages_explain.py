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


def test_a_good_exchange_is_called_good():
    text = explain.explain(request(), MAK)
    assert "message type 0200" in text and "the MAC is right" in text
    assert explain.differences(request(), answer("sale", reply_values("sale")), MAK) == []
    assert explain.differences(request(), answer("sale", reply_values("sale"))) == []


def test_nothing_secret_is_shown():
    keys = with_mac({**reply_values("sign_on"), "62": "5A" * 40})
    for data in (request(), keys, encode(EXPECTED["batch_upload"])):
        text = explain.explain(data, MAK).upper().replace(" ", "")
        for secret in (PAN, PAN[:-1], "2A084C604973D4AE", "D3012", "5A5A5A", MAK.hex().upper()):
            assert secret not in text, secret
    assert "622202*********0128" in explain.explain(request(), MAK)


@pytest.mark.parametrize("wrap, note", [
    (lambda data: data, "TPDU 6000030000, header 603100000100, demand 0"),
    (lambda data: len(data).to_bytes(2, "big") + data, "right, and not part"),
    (lambda data: b"\x00\x00" + data, "length prefix 0000: wrong"),
    (lambda data: data[11:], "bare ISO 8583"),
    (lambda data: link.frame(link.REQUEST, 7, data, b"sessions"), "control byte 07"),
])
def test_wrappings_are_recognised_and_said(wrap, note):
    text = explain.explain(wrap(request()), MAK)
    assert note in text and "message type 0200" in text and "the MAC is right" in text


@pytest.mark.parametrize("data, why", [
    (b"", "begins with nothing"), (b"\xff\xff", "begins with FF"),
    (ENVELOPE, "too short"), (ENVELOPE + bytes.fromhex("0210" + "80" + "00" * 7), "second bitmap"),
    (request()[:-1], "field 64"), (request() + b"\0", "extra"),
])
def test_what_is_broken_is_named(data, why):
    text = explain.explain(data, MAK)
    assert "broken: " in text and why.lower() in text.lower()
    assert explain.differences(request(), data)[0].startswith("the reply is broken")


def remade(make):
    """A sale whose field 64 is ``make(body without MAC)``."""
    data = request()
    return data[:-8] + make(data[11:-8])


def cup(data, key=MAK):
    return security.mac(security.encryptor(key), data)


@pytest.mark.parametrize("make, cause", [
    (lambda body: cup(body[:9] + bytes((body[9] & 0xFE,)) + body[10:]), "before bit 64 is set"),
    (lambda body: cup(ENVELOPE + body), "TPDU and header"),
    (lambda body: cup(body[2:]), "message type is left out"),
    (lambda body: cup(body[10:]), "message type and bitmap"),
    (lambda body: cup(body).lower(), "lower case"),
    (lambda body: cup(body + b"\x80"), "padding"),
    (lambda body: cup(body, MAK + MAK[::-1])[:8], "another key"),
    (lambda body: security.encryptor(MAK).update(security.fold(body)), "once, in binary"),
    (lambda body: cup(body, bytes(8)), "another key"),
])
def test_usual_mistakes_of_a_mac_are_recognised(make, cause):
    text = explain.explain(remade(make), MAK)
    assert "the MAC is WRONG" in text and cause in text


def test_key_length_mistakes_are_recognised():
    text = explain.explain(remade(lambda body: cup(body, DOUBLE[:8])), DOUBLE)
    assert "only the first half of the key is used" in text
    assert f"check value {security.kcv(DOUBLE).hex().upper()}" in text


@pytest.mark.parametrize("change, first", [
    ({"t": "0200"}, "message type 0200"), ({"3": "310000"}, "field 3 is 310000"),
    ({"11": "000018"}, "field 11 is 000018, sent was 000017"), ({"41": "00000009"}, "field 41"),
    ({"42": "9" * 15}, "field 42"), ({"4": "000000000001"}, "field 4 is"),
    ({"39": ""}, "field 39"),
])
def test_the_first_difference_is_the_one_the_terminal_names(change, first):
    values = {k: v for k, v in {**reply_values("sale"), **change}.items() if v}
    found = explain.differences(request(), answer("sale", values), MAK)
    assert found and found[0].startswith(first)


def test_a_missing_mac_and_a_refusal_without_one():
    values = reply_values("sale")
    assert "field 64 is missing" in explain.differences(request(), encode(values), MAK)[0]
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
