"""Master key, working keys, and the key of the card numbers at rest."""

from journal_chip import Nor
from memory_vault import MemoryVault

from mobi.acquiring.des import Des
from mobi.acquiring.security import BadKeys
from mobi.journal.vault import Vault as RealVault
from mobi.keys import Keys

TMK = bytes(range(16))
PIK = bytes(range(16, 32))
MAK = bytes(range(32, 40))


class Vault(MemoryVault):
    """Counts what is erased from the chip."""

    def __init__(self):
        super().__init__()
        self.shredded = []

    def shred(self):
        self.shredded.append(self.values.get(b"kC"))


def make():
    vault = Vault()
    count = [0]

    def random(size):
        count[0] += 1
        return bytes((count[0],)) * size

    return Keys(vault, random), vault, random


def wrapped():
    """Field 62 of a sign-on with double keys."""
    out = b""
    for key in (PIK, MAK + bytes(8)):
        check = Des(key).encrypt(bytes(8))[:4]
        out += Des(TMK).encrypt(key[:8]) + Des(TMK).encrypt(key[8:]) + check
    return out


def test_working_keys_survive_a_restart_in_one_record():
    keys, vault, random = make()
    keys.install(TMK)
    assert not keys.working
    before = dict(vault.values)
    keys.load(wrapped())
    assert len(vault.values) == len(before) + 1  # one record: a power cut leaves both or none
    again = Keys(vault, random)
    assert again.working and (again.tmk, again.pik, again.mak) == (TMK, PIK, MAK)


def test_single_length_keys_come_back_too():
    keys, vault, random = make()
    keys.install(TMK)
    short = PIK[:8]
    data = b""
    for key in (short, MAK):
        data += Des(TMK).encrypt(key) + Des(key).encrypt(bytes(8))[:4]
    keys.load(data)
    again = Keys(vault, random)
    assert (again.pik, again.mak) == (short, MAK)


def test_a_double_mak_comes_back_too():
    keys, vault, random = make()
    keys.install(TMK)
    data, double = b"", MAK + PIK[:8]
    for key in (PIK, double):
        check = Des(key).encrypt(bytes(8))[:4]
        data += Des(TMK).encrypt(key[:8]) + Des(TMK).encrypt(key[8:]) + check
    keys.load(data)
    again = Keys(vault, random)
    assert (again.pik, again.mak) == (PIK, double)


def test_a_wrong_check_value_deletes_the_working_keys():
    keys, vault, random = make()
    keys.install(TMK)
    keys.load(wrapped())
    bad = bytearray(wrapped())
    bad[16] ^= 1
    try:
        keys.load(bytes(bad))
    except BadKeys as error:
        assert error.which == "pik"
    else:
        raise AssertionError("taken")
    assert not keys.working and not Keys(vault, random).working
    assert all(PIK not in value for value in vault.values.values())


def test_a_new_master_key_ends_the_working_keys():
    keys, _, _ = make()
    keys.install(TMK)
    keys.load(wrapped())
    keys.install(PIK)
    assert keys.tmk == PIK and not keys.working


def test_a_new_card_key_replaces_the_old_one_and_erases_it():
    keys, vault, random = make()
    assert not keys.has_card_key and keys.decrypt(bytes(16)) is None
    keys.new_card_key()
    secret = keys.encrypt(b"6222021234567890")
    assert keys.decrypt(secret) == b"6222021234567890"
    first = vault.get(b"kC")
    keys.new_card_key()
    assert vault.shredded[-1] == vault.get(b"kC") != first
    assert keys.decrypt(secret) != b"6222021234567890"
    assert Keys(vault, random).decrypt(secret) == keys.decrypt(secret)


def test_a_card_key_that_cannot_be_written_is_not_used():
    nor = Nor(8192)
    vault = RealVault(nor, 1)
    vault.format()
    keys = Keys(vault, make()[2])
    keys.new_card_key()
    nor.faults = {0: "program error", 1: "program error"}
    keys.new_card_key()
    resting = keys.encrypt(bytes(16))
    vault = RealVault(nor, 1)  # power off and on
    vault.mount()
    assert Keys(vault, None).decrypt(resting) == bytes(16)
