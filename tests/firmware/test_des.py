"""DES and triple DES against published vectors."""

from binascii import hexlify, unhexlify

from mobi.acquiring.des import Des


def crypt(key, block):
    return hexlify(Des(unhexlify(key)).encrypt(unhexlify(block))).decode().upper()


def test_published_vectors():
    # "Now is the time for all " of FIPS 81, single blocks of NIST SP 800-17, Rivest's chain.
    assert crypt("0123456789ABCDEF", "4E6F772069732074") == "3FA40E8A984D4815"
    assert crypt("0123456789ABCDEF", "68652074696D6520") == "6A271787AB8883F9"
    assert crypt("0123456789ABCDEF", "666F7220616C6C20") == "893D51EC4B563B53"
    assert crypt("0101010101010101", "8000000000000000") == "95F8A5E5DD31D900"
    assert crypt("0101010101010101", "0000000000000001") == "166B40B44ABA4BD6"
    assert crypt("8001010101010101", "0000000000000000") == "95A8D72813DAA94D"
    assert crypt("0101010101010102", "0000000000000000") == "869EFD7F9F265A09"
    block = unhexlify("9474B8E8C73BCA7D")
    for i in range(16):
        key = Des(block)
        block = key.decrypt(block) if i % 2 else key.encrypt(block)
    assert hexlify(block) == b"1b1a2ddb4c642438"


def test_triple_des_with_two_keys():
    key = "0123456789ABCDEFFEDCBA9876543210"
    assert crypt(key, "0000000000000000") == "08D7B4FB629D0885"
    # With twice the same key it is plain DES.
    assert crypt("0123456789ABCDEF0123456789ABCDEF", "4E6F772069732074") == "3FA40E8A984D4815"


def test_decrypt_undoes_encrypt():
    for key in (bytes(range(8)), bytes(range(100, 116))):
        cipher = Des(key)
        data = bytes([(i * 73 + 5) & 0xFF for i in range(64)])
        assert cipher.decrypt(cipher.encrypt(data)) == data
        assert cipher.encrypt(cipher.decrypt(data)) == data
        assert cipher.encrypt(data) != data


def test_parity_bits_do_not_count():
    assert crypt("0022446688AACCEE", "4E6F772069732074") == "3FA40E8A984D4815"


def test_in_place():
    cipher = Des(bytes(range(16)))
    block = bytearray(b"12345678")
    cipher.encrypt_into(block, block)
    assert bytes(block) == cipher.encrypt(b"12345678")
    cipher.decrypt_into(block, block)
    assert block == b"12345678"


def test_wrong_lengths_are_refused():
    for key in (b"", bytes(7), bytes(9), bytes(24)):
        try:
            Des(key)
        except ValueError:
            continue
        raise AssertionError(len(key))
    for data in (b"1234567", b"123456789"):
        try:
            Des(bytes(8)).encrypt(data)
        except ValueError:
            continue
        raise AssertionError(data)


def test_the_key_is_not_shown():
    key = b"\x01\x23\x45\x67\x89\xab\xcd\xef"
    cipher = Des(key)
    assert b"\x01\x23\x45" not in bytes(cipher._keys)
    assert "Des" in repr(cipher)
