"""The vault: values, full sectors, shredding, broken sectors; power cuts are in tests/powercut."""

from journal_chip import Nor, PowerCut, Random

from mobi.journal.vault import Vault, VaultFull


def make(unit=1):
    nor = Nor(8192, unit=unit)
    vault = Vault(nor, unit)
    assert vault.mount() == Vault.EMPTY
    vault.format()
    return vault, nor


def again(nor, unit=1):
    vault = Vault(nor, unit)
    return vault, vault.mount()


def contents(vault):
    return {key: vault.get(key) for key in vault.keys()}


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return True
    raise AssertionError("nothing was raised")


def test_values_survive_a_restart():
    for unit in (1, 256):
        vault, nor = make(unit)
        vault.put(b"a", b"one")
        vault.put(b"empty", b"")
        vault.put(b"a", b"two")
        vault.put(b"gone", b"x")
        vault.delete(b"gone")
        vault, verdict = again(nor, unit)
        assert verdict == Vault.READY
        assert contents(vault) == {b"a": b"two", b"empty": b""}
        assert vault.get(b"gone") is None
        assert vault.keys(b"e") == [b"empty"]


def test_long_random_life_agrees_with_a_dict():
    random = Random(5)
    for unit in (1, 256):
        vault, nor = make(unit)
        model = {}
        for _ in range(400):
            key = b"%s%d" % (b"kx"[random.below(2) :][:1], random.below(9))
            if random.below(8) == 0:
                vault.delete(key)
                model.pop(key, None)
            else:
                value = bytes(random.bytes(random.below(150)))
                vault.put(key, value)
                model[key] = value
            if random.below(9) == 0:
                vault.idle()
            if random.below(25) == 0:
                vault, verdict = again(nor, unit)
                assert verdict == Vault.READY
        assert contents(vault) == model


def test_three_kilobytes_live_and_a_big_value_replaced():
    vault, nor = make()
    big = bytes(range(256)) * 4
    for name in (b"a", b"b", b"c"):
        vault.put(name, big)
    other = bytes(reversed(big))
    vault.put(b"b", other)  # only fits while it takes the place of the old one
    vault, verdict = again(nor)
    assert verdict == Vault.READY
    assert contents(vault) == {b"a": big, b"b": other, b"c": big}


def test_full_says_so_and_changes_nothing():
    vault, nor = make()
    big = b"z" * 1024
    for name in (b"a", b"b", b"c"):
        vault.put(name, big)
    assert raises(VaultFull, vault.put, b"d", big)
    assert raises(ValueError, vault.put, b"d", b"z" * 1025)
    assert raises(ValueError, vault.put, b"", b"")
    vault, _ = again(nor)
    assert contents(vault) == {b"a": big, b"b": big, b"c": big}


def test_small_updates_are_cheap():
    vault, nor = make()
    vault.put(b"p", b"q" * 1000)
    before = nor.erases
    for i in range(150):
        vault.put(b"lockout", b"%04d" % i)
    assert nor.erases == before


def _on_chip(nor, value):
    return bytes(nor.mem).find(value) >= 0


def test_deleted_and_replaced_secrets_leave_the_chip():
    vault, nor = make()
    secret = b"very secret key bytes"
    vault.put(b"kC", secret)
    vault.put(b"name", b"old value, no secret")
    vault.put(b"kC", b"the next key")
    while vault.idle():
        pass
    assert not _on_chip(nor, secret)
    vault.delete(b"kC")
    assert _on_chip(nor, b"the next key")
    vault.shred()
    assert not _on_chip(nor, b"the next key")
    assert contents(vault) == {b"name": b"old value, no secret"}


def test_a_cut_before_shredding_is_made_good_after_the_next_start():
    vault, nor = make()
    secret = b"very secret key bytes"
    vault.put(b"kC", secret)
    vault.delete(b"kC")
    vault, _ = again(nor)
    while vault.idle():
        pass
    assert not _on_chip(nor, secret)


def test_a_sector_that_does_not_take_programs_is_left():
    for fault in ("program error", "program wrong"):
        vault, nor = make()
        vault.put(b"a", b"one")
        nor.faults[vault._sector] = fault
        vault.put(b"a", b"two")
        vault.put(b"b", b"three")
        nor.faults = {}
        vault, _ = again(nor)
        assert contents(vault) == {b"a": b"two", b"b": b"three"}


def test_a_sector_that_cannot_be_erased_is_not_used():
    for fault in ("erase error", "erase wrong"):
        vault, nor = make()
        vault.put(b"a", b"one")
        nor.faults[1 - vault._sector] = fault
        for i in range(3):
            vault, verdict = again(nor)
            assert verdict == Vault.READY
            vault.put(b"b", b"%d" % i)
        assert contents(vault) == {b"a": b"one", b"b": b"2"}


def test_random_bytes_are_not_a_vault():
    nor = Nor(8192, image=Random(3).bytes(8192))
    assert again(nor)[1] == Vault.EMPTY


def test_one_flipped_bit_costs_nothing_wherever_it_is():
    vault, nor = make()
    vault.put(b"o\x63", bytes(range(18)))
    vault.put(b"kT", bytes(16))
    vault.put(b"gone", b"1")
    vault.delete(b"gone")
    vault.put(b"p1", b"")
    wanted = contents(vault)
    base = vault._sector * 4096
    used = list(range(base, base + vault._off)) + list(range(base + 3840, base + 3848))
    image = bytes(nor.mem)
    for at in used:
        for bit in range(8):
            nor.mem[:] = image
            nor.mem[at] ^= 1 << bit
            if at > base + 15 and at < base + 3840:
                assert contents(vault) == wanted  # while it runs, too
            vault_then, verdict = again(nor)
            assert verdict == Vault.READY, (at - base, bit)
            assert contents(vault_then) == wanted, (at - base, bit)


def test_more_flipped_bits_cost_one_value_and_are_reported():
    vault, nor = make()
    for i in range(20):
        vault.put(b"v%d" % i, bytes((i,)) * 30)
    at = bytes(nor.mem).find(bytes((7,)) * 30)
    nor.mem[at] ^= 4
    nor.mem[at + 9] ^= 64
    assert vault.get(b"v7") is None
    vault, verdict = again(nor)
    assert verdict == Vault.DAMAGED and vault.damage == 1
    assert len(contents(vault)) == 19 and vault.get(b"v6") == bytes((6,)) * 30


class Moody(Nor):
    """A chip of which an operation fails now and then, and leaves what it did until then."""

    def setup(self, seed, one_in):
        self.mood = Random(seed)
        self.one_in = one_in
        self.failed = 0

    def _perhaps(self, sector, names):
        self.faults = {}
        if self.mood.below(self.one_in) == 0:
            self.failed += 1
            self.faults[sector] = names[self.mood.below(2)]

    def _program(self, address, data):
        self._perhaps(address // 4096, ("program error", "program wrong"))
        return Nor._program(self, address, data)

    def _erase(self, sector):
        self._perhaps(sector, ("erase error", "erase wrong"))
        return Nor._erase(self, sector)


def test_operations_that_fail_now_and_then_lose_nothing():
    # A byte that a failed program may have touched is never programmed again: ``Nor`` would raise.
    failed = 0
    for seed in range(12):
        unit = (1, 256)[seed % 2]
        nor = Moody(8192, unit=unit, seed=seed + 1)
        nor.setup(seed, 1000)
        vault = Vault(nor, unit)
        vault.format()
        nor.setup(seed, (6, 12, 40)[seed % 3])
        random = Random(seed + 7)
        model = {}
        for step in range(150):
            key = b"%d" % random.below(8)
            if random.below(8) == 0:
                vault.delete(key)
                model.pop(key, None)
            else:
                model[key] = bytes(random.bytes(random.below(120)))
                if not vault.put(key, model[key]):
                    assert vault.failing
            assert contents(vault) == model, (seed, step)
            if random.below(12) == 0:
                for _ in range(200):
                    vault.idle()
                unsaved = bool(vault._unsaved)
                vault, verdict = again(nor, unit)
                assert verdict == Vault.READY, (seed, step)
                if unsaved:
                    model = contents(vault)
                assert contents(vault) == model, (seed, step)
        failed += nor.failed
    assert failed > 100


def test_what_neither_sector_takes_is_kept_until_power_fails():
    vault, nor = make()
    vault.put(b"a", b"one")
    vault.put(b"gone", b"1")
    nor.faults = {0: "program error", 1: "program error"}
    assert not vault.put(b"a", b"two") and not vault.delete(b"gone")
    assert not vault.put(b"key", b"3", hold=False)
    assert vault.failing and contents(vault) == {b"a": b"two"}
    assert contents(again(nor)[0]) == {b"a": b"one", b"gone": b"1"}
    nor.faults = {}
    for _ in range(300):
        vault.idle()
    assert not vault.failing
    assert contents(again(nor)[0]) == {b"a": b"two"}
    nor.faults = {0: "program error", 1: "erase error"}
    assert raises(OSError, vault.format)


def test_cut_at_every_operation_of_a_change():
    for unit in (1, 256):
        op = 0
        done = False
        while not done:
            vault, nor = make(unit)
            vault.put(b"a", b"old")
            nor.cut_after(op)
            try:
                vault.put(b"a", b"new")
                vault.delete(b"a")
                vault.shred()
                vault.put(b"b", b"x")
                done = True
            except PowerCut:
                pass
            nor.revive()
            found = set()
            for _ in range(3):
                vault, verdict = again(nor, unit)
                assert verdict == Vault.READY
                found.add((vault.get(b"a"), vault.get(b"b")))
            assert len(found) == 1
            assert found.pop() in ((b"old", None), (b"new", None), (None, None), (None, b"x"))
            op += 1
        assert op >= 9
