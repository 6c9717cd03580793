"""The suite cup-3des against known vectors, and what it refuses."""

from binascii import hexlify, unhexlify

from mobi.acquiring import security
from mobi.acquiring.des import Des

KEY = unhexlify("0123456789ABCDEFFEDCBA9876543210")
M = unhexlify("0200302004C030C09811000000000000000001000001021000123536373800")


def text(data):
    return hexlify(data).decode().upper()


def test_key_check_value():
    assert security.kcv(KEY) == "08D7B4FB"
    assert security.kcv(KEY[:8]) == "D5D44FF7"


def test_pin_block():
    assert text(security.pin_block("123456", "6222021234567890128", KEY)) == "2A084C604973D4AE"


def test_clear_pin_block():
    block = Des(KEY).decrypt(security.pin_block("123456", "6222021234567890128", KEY))
    assert text(block) == "06122662A9876FED"
    # Four digits, and the shortest card number: the account field is 0000 400000123456.
    block = Des(KEY).decrypt(security.pin_block("1234", "4000001234562", KEY))
    assert text(block) == "041274FFFFEDCBA9"
    block = Des(KEY).decrypt(security.pin_block("123456789012", "6222021234567890128", KEY))
    assert text(block) == "0C1226622EE882ED"


def test_bad_pins_are_refused():
    for pin, pan in (
        ("123", "6222021234567890128"), ("1234567890123", "6222021234567890128"),
        ("12a4", "6222021234567890128"), ("", "6222021234567890128"), ("123456", "123456789012"),
        ("123456", "622202123456789012x"),
    ):
        try:
            security.pin_block(pin, pan, KEY)
        except security.BadPin as error:
            assert not str(error) or (pin not in str(error))
            continue
        raise AssertionError(pin)


def test_fold():
    assert text(security.fold(M)) == "9A03041633F932D0"
    assert text(security.fold(b"")) == "0000000000000000"
    assert text(security.fold(b"\xff")) == "FF00000000000000"
    assert security.fold(b"12345678" * 2) == bytes(8)


def test_macs():
    assert security.mac_cup(KEY[:8], M) == b"C5FC39DA"
    assert security.mac_cup(KEY, M) == b"FE0EE8FE"
    assert text(security.mac_x919(KEY, M)) == "6D0A56C331D204C2"


def test_mac_of_a_memoryview():
    data = memoryview(bytearray(b"xx" + M + b"yy"))
    assert security.mac_cup(KEY, data[2:-2]) == b"FE0EE8FE"


def wrapped(key, check=None):
    return Des(KEY).encrypt(key) + (Des(key).encrypt(bytes(8))[:4] if check is None else check)


PIK = unhexlify("11111111111111112222222222222222")
MAK = unhexlify("3333333333333333")
TDK = unhexlify("44444444444444445555555555555555")


def test_working_keys_of_every_length():
    double = MAK + MAK
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(double)) == (PIK, MAK)
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(double) + wrapped(TDK)) == (PIK, MAK)
    assert security.unwrap(KEY, wrapped(PIK[:8]) + wrapped(MAK)) == (PIK[:8], MAK)
    assert security.unwrap(KEY, memoryview(wrapped(PIK) + wrapped(double))) == (PIK, MAK)


def test_the_check_value_tells_whether_a_mak_has_8_or_16_bytes():
    other = MAK + PIK[8:]
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(other)) == (PIK, other)
    single = Des(MAK).encrypt(bytes(8))[:4]
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(other, single)) == (PIK, MAK)
    # Zeros behind 8 bytes fill the place; they are no half of a key.
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(MAK + bytes(8), single)) == (PIK, MAK)
    assert security.unwrap(KEY, wrapped(PIK) + wrapped(MAK + bytes(8))) == (PIK, MAK)
    try:
        security.unwrap(KEY, wrapped(PIK) + wrapped(other, Des(PIK[8:]).encrypt(bytes(8))[:4]))
    except security.BadKeys as error:
        assert error.which == "mak"
        return
    raise AssertionError("taken")


def test_bad_working_keys_say_which():
    good = wrapped(PIK) + wrapped(MAK + MAK) + wrapped(TDK)
    for at, which in ((0, "pik"), (15, "pik"), (16, "pik"), (20, "mak"), (39, "mak"),
                      (40, "tdk"), (59, "tdk")):
        bad = bytearray(good)
        bad[at] ^= 0x10
        try:
            security.unwrap(KEY, bad)
        except security.BadKeys as error:
            assert error.which == which, (at, error.which)
            continue
        raise AssertionError(at)
    for size in (0, 1, 23, 39, 41, 59, 61):
        try:
            security.unwrap(KEY, good[:size] + b"x" * (size - len(good)))
        except security.BadKeys as error:
            assert error.which == "length"
            continue
        raise AssertionError(size)
