"""Parameters: ranges, defaults, and values that do not fit."""

from memory_vault import MemoryVault

from mobi.acquiring import parameters
from mobi.settings import (
    DOWNLOADED,
    MONEY,
    NUMBER,
    TABLE,
    TEXT,
    BadValue,
    Settings,
    check,
    downloaded,
    row,
    text,
)


def refused(name, value):
    try:
        Settings(MemoryVault()).set(name, value)
    except BadValue as error:
        return str(error)
    raise AssertionError(f"{name} accepted {value!r}")


def test_every_default_fits_its_own_range():
    for entry in TABLE:
        if entry[0] not in ("terminal", "merchant"):  # these must be given by provisioning
            assert check(entry, entry[2]) == entry[2], entry


def test_a_value_survives_in_the_vault():
    vault = MemoryVault()
    Settings(vault).set("copies", 3)
    Settings(vault).set("merchant_name", b"\xb2\xe2")
    assert Settings(vault).get("copies") == 3
    assert Settings(vault).get("merchant_name") == b"\xb2\xe2"


def test_values_out_of_range_are_refused_and_nothing_changes():
    assert "1-3" in refused("copies", 4)
    assert "8-8" in refused("terminal", "123")
    assert "digits" in refused("terminal", "1234567X")
    assert "40" in refused("merchant_name", b"x" * 41)


def test_a_damaged_value_reads_as_the_default():
    vault = MemoryVault()
    vault.put(b"pcopies", b"9")
    vault.put(b"preply_seconds", b"\xff\x00")
    settings = Settings(vault)
    assert settings.get("copies") == 2 and settings.get("reply_seconds") == 60


def test_an_unknown_name_is_a_key_error():
    try:
        row("no such")
    except KeyError:
        return
    raise AssertionError


def test_a_download_names_our_parameters():
    data = (b"1245" + b"1760012345678901200" + b"211" + b"22" + b"\xc4\xa9\xb1\xca" + b" " * 36
            + b"232" + b"26\x84\0\0\0")
    # A blank number is not taken for an empty one.
    data = data.replace(b"1760012345678901", b"17" + b"95588         ")
    wanted, wrong = downloaded(parameters.read(data))
    assert wrong == []
    assert wanted == [
        ("reply_seconds", 45), ("service_phone", "95588"), ("manual_pan", 0), ("auto_sign_off", 1),
        ("merchant_name", b"\xc4\xa9\xb1\xca"), ("reversal_tries", 2), ("switches", 0x84)]


def test_a_download_leaves_out_what_does_not_fit_and_what_is_blank():
    data = b"1202" + b"17" + b" " * 14 + b"22" + b" " * 40 + b"239" + b"205" + b"20\xff"
    wanted, wrong = downloaded(parameters.read(data))
    assert wanted == [] and wrong == ["12", "23", "20", "20"]


def test_every_downloaded_name_and_tag_exists():
    tags = [entry[0] for entry in parameters.TAGS]
    for tag, name in DOWNLOADED:
        assert tag in tags and row(name)


def test_values_as_text():
    assert text(row("copies"), 2) == b"2" and text(row("merchant_name"), b"\xc4\xa9") == b"\xc4\xa9"


def test_numbers_stay_small_integers_of_a_32_bit_board():
    for name, kind, _, _low, high in TABLE:
        if kind in (NUMBER, MONEY):
            assert high < 1 << 30, name
        assert kind != TEXT or high <= 40, name
