"""Parameters: ranges, defaults, and values that do not fit."""

from memory_vault import MemoryVault
from mobi.settings import TABLE, BadValue, Settings, check, row


def refused(name, value):
    try:
        Settings(MemoryVault()).set(name, value)
    except BadValue as error:
        return str(error)
    raise AssertionError("%s accepted %r" % (name, value))


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
