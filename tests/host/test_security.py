"""The firmware's DES and the suite cup-3des against `cryptography`."""

import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import given
from hypothesis import strategies as st

from mobi.acquiring import security
from mobi.acquiring.des import Des
from tests.host import des_standard

ROOT = Path(__file__).resolve().parents[2]
KEY8 = st.binary(min_size=8, max_size=8)
KEY16 = st.binary(min_size=16, max_size=16)


def ecb(key: bytes):
    """The library's cipher for an 8 or 16 byte key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Cipher(TripleDES(key * 3 if len(key) == 8 else key + key[:8]), modes.ECB())


def encrypt(key: bytes, data: bytes) -> bytes:
    return ecb(key).encryptor().update(data)


def decrypt(key: bytes, data: bytes) -> bytes:
    return ecb(key).decryptor().update(data)


def test_tables_are_those_derived_from_the_standard():
    path = ROOT / "firmware/mobi/acquiring/des_tables.py"
    assert path.read_text(encoding="utf-8") == des_standard.source()


@given(KEY8 | KEY16, st.binary(max_size=64).map(lambda b: b[: len(b) // 8 * 8]))
def test_des_and_triple_des(key, data):
    cipher = Des(key)
    assert cipher.encrypt(data) == encrypt(key, data)
    assert cipher.decrypt(data) == decrypt(key, data)


@given(KEY8 | KEY16)
def test_key_check_value(key):
    assert security.kcv(key) == encrypt(key, bytes(8))[:4].hex().upper()


PIN = st.text("0123456789", min_size=4, max_size=12)
PAN = st.text("0123456789", min_size=13, max_size=19)


@given(PIN, PAN, KEY8 | KEY16)
def test_pin_block_is_format_0_of_iso_9564(pin, pan, pik):
    field = bytes.fromhex(f"0{len(pin):x}{pin}".ljust(16, "f"))
    account = bytes.fromhex("0000" + pan[:-1][-12:])
    clear = bytes(a ^ b for a, b in zip(field, account, strict=True))
    assert security.pin_block(pin, pan, pik) == encrypt(pik, clear)


@given(st.binary(max_size=400), KEY8 | KEY16)
def test_cup_ecb_mac(data, mak):
    folded = bytearray(8)
    for i, byte in enumerate(data):
        folded[i % 8] ^= byte
    text = folded.hex().upper().encode()
    first = encrypt(mak, text[:8])
    second = encrypt(mak, bytes(a ^ b for a, b in zip(first, text[8:], strict=True)))
    assert security.mac_cup(mak, data) == second.hex().upper().encode()[:8]


@given(st.binary(max_size=200), KEY16)
def test_x919_mac(data, key):
    padded = data + bytes(-len(data) % 8)
    block = bytes(8)
    for at in range(0, len(padded), 8):
        step = bytes(a ^ b for a, b in zip(block, padded[at : at + 8], strict=True))
        block = encrypt(key[:8], step)
    assert security.mac_x919(key, data) == encrypt(key[:8], decrypt(key[8:], block))


@given(KEY16, KEY16, KEY8, KEY16, st.sampled_from((24, 40, 60)))
def test_working_keys(tmk, pik, mak, tdk, size):
    def wrap(key):
        return encrypt(tmk, key) + encrypt(key, bytes(8))[:4]

    if size == 24:
        pik = pik[:8]
        data = wrap(pik) + wrap(mak)
    else:
        data = wrap(pik) + wrap(mak + mak) + (wrap(tdk) if size == 60 else b"")
    assert security.unwrap(tmk, data) == (pik, mak)


@given(KEY16, st.binary(min_size=60, max_size=60), st.integers(0, 60))
def test_random_field_62_is_refused(tmk, data, size):
    # The chance that a random one passes is 2**-64.
    with pytest.raises(security.BadKeys):
        security.unwrap(tmk, data[:size])
