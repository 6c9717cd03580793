"""The NOR model keeps the rules of the data sheets (W25Q16JV, W25Q128JV) and breaks as chips do."""

from __future__ import annotations

import errno

import pytest

from host_tools.bench.nor import FAULTS, MODES, Nor, PowerCut, RuleBroken

SECTOR = 4096
PAGE = 256


def read(nor, sector, offset, size):
    buffer = bytearray(size)
    assert nor.readblocks(sector, buffer, offset) == 0
    return bytes(buffer)


def test_a_new_chip_is_blank_and_says_how_large_it_is():
    nor = Nor(4 * SECTOR)
    assert nor.ioctl(4, 0) == 4 and nor.ioctl(5, 0) == SECTOR
    assert read(nor, 3, 0, SECTOR) == b"\xff" * SECTOR
    for size in (0, 100, SECTOR + 1):
        with pytest.raises(ValueError):
            Nor(size)
    with pytest.raises(ValueError):
        Nor(SECTOR, image=b"\xff")


def test_a_program_clears_bits_and_an_erase_sets_a_sector():
    nor = Nor(2 * SECTOR, strict=False)
    nor.writeblocks(0, b"\xf0\x0f", 5)
    nor.writeblocks(0, b"\x3c\x3c", 5)
    assert read(nor, 0, 4, 4) == b"\xff\x30\x0c\xff"
    nor.writeblocks(1, b"\0", 0)
    assert nor.ioctl(6, 0) == 0
    assert read(nor, 0, 0, SECTOR) == b"\xff" * SECTOR and read(nor, 1, 0, 1) == b"\0"
    assert nor.wear == [1, 0]


def test_programming_a_byte_twice_is_a_mistake_where_parts_forbid_it():
    nor = Nor(SECTOR)
    nor.writeblocks(0, b"\xf0\xff", 0)
    nor.writeblocks(0, b"\xff\x0f", 0)  # 0xff asks for nothing
    with pytest.raises(RuleBroken):
        nor.writeblocks(0, b"\xf0", 0)


def test_a_page_driver_takes_whole_pages_only_and_nothing_erases_by_the_way():
    nor = Nor(SECTOR, unit=PAGE)
    for offset, size in ((0, 10), (10, PAGE), (PAGE, PAGE + 1)):
        with pytest.raises(RuleBroken):
            nor.writeblocks(0, bytes(size), offset)
    assert nor.writeblocks(0, bytes(2 * PAGE), PAGE) == 0 and nor.programs == 2
    with pytest.raises(RuleBroken):
        nor.writeblocks(0, bytes(PAGE))


def test_a_write_across_a_page_bound_is_two_programs():
    nor = Nor(SECTOR)
    nor.writeblocks(0, bytes(20), 250)
    assert nor.programs == 2 and nor.changed_bytes == 20


def test_what_lies_outside_is_refused():
    nor = Nor(2 * SECTOR)
    assert nor.readblocks(1, bytearray(1), SECTOR) == -errno.EINVAL
    assert nor.writeblocks(2, b"\0", 0) == -errno.EINVAL
    assert nor.ioctl(6, 2) == nor.ioctl(6, -1) == nor.ioctl(9, 0) == -errno.EINVAL


def test_times_are_those_of_the_data_sheet():
    nor = Nor(SECTOR)
    nor.writeblocks(0, bytes(PAGE), 0)
    # 0.4 ms typical, 3 ms maximum; 1 us for the command and 0.16 us a byte on one data line
    assert nor.typ_us == pytest.approx(400 + 1 + 0.16 * PAGE)
    assert nor.max_us == pytest.approx(3000 + 1 + 0.16 * PAGE)
    nor.reset_counters()
    nor.ioctl(6, 0)
    assert nor.typ_us == pytest.approx(45_001) and nor.max_us == pytest.approx(400_001)
    nor.reset_counters()
    read(nor, 0, 0, 100)
    assert nor.typ_us == nor.max_us == pytest.approx(1 + 16) and nor.read_bytes == 100
    fast = Nor(SECTOR, read_byte_ns=40)
    read(fast, 0, 0, 100)
    assert fast.typ_us == pytest.approx(5)


def test_every_operation_is_announced_before_it_happens():
    nor = Nor(2 * SECTOR)
    seen = []
    nor.on_op = lambda *told: seen.append((*told, bytes(nor.mem[SECTOR : SECTOR + 2])))
    nor.writeblocks(1, b"\0\0", 0)
    nor.ioctl(6, 1)
    assert seen == [
        ("program", 1, 0, 2, 400, b"\xff\xff"), ("erase", 1, 0, SECTOR, 45_000, b"\0\0"),
    ]  # fmt: skip


def cut(mode, data, seed=1, prefix=None):
    """A chip whose power failed in a program (or erase) of a sector of 0x5a."""
    image = b"\xff" * SECTOR if data is not None else b"\x5a" * SECTOR
    nor = Nor(SECTOR, image=image, seed=seed)
    nor.cut_after(0, mode=mode, prefix=prefix)
    with pytest.raises(PowerCut):
        nor.writeblocks(0, data, 0) if data is not None else nor.ioctl(6, 0)
    assert nor.readblocks(0, bytearray(1), 0) == nor.writeblocks(0, b"\0", 0) == -errno.EIO
    nor.revive()
    return nor


def test_a_cut_program_leaves_what_its_mode_says():
    goal = bytes(range(100, 164))
    assert read(cut("none", goal), 0, 0, 64) == b"\xff" * 64
    assert read(cut("full", goal), 0, 0, 64) == goal
    for k in (0, 1, 63):
        left = read(cut("prefix", goal, prefix=k), 0, 0, 64)
        assert left[:k] == goal[:k] and left[k + 1 :] == b"\xff" * (63 - k)
        assert left[k] & goal[k] == goal[k]  # bits on their way to 0, none the other way
    for seed in range(20):
        left = read(cut("bits", goal, seed), 0, 0, 64)
        assert all(a & b == b for a, b in zip(left, goal, strict=True))


def test_a_cut_erase_leaves_noise_or_zeros_never_an_old_record():
    zeros = 0
    for seed in range(30):
        half = read(cut("prefix", None, seed), 0, 0, SECTOR)
        assert all(a & 0x5A == 0x5A for a in half)  # an erase never clears a bit
        left = read(cut("bits", None, seed), 0, 0, SECTOR)
        zeros += left == bytes(SECTOR)
        assert left.count(0x5A) < SECTOR // 8
    assert 0 < zeros < 30
    assert read(cut("full", None), 0, 0, SECTOR) == b"\xff" * SECTOR


@pytest.mark.parametrize("mode, nearly", [("weak1", bytes(64)), ("weak0", b"\xff" * 64)])
def test_unstable_cells_read_differently_until_the_sector_is_erased(mode, nearly):
    for seed in range(10):
        nor = cut(mode, bytes(64), seed)
        assert 1 <= len(nor.weak) <= 4
        readings = {read(nor, 0, 0, 64) for _ in range(60)}
        assert len(readings) > 1
        for reading in readings:
            for at, (a, b) in enumerate(zip(reading, nearly, strict=True)):
                assert a == b or nor.weak.get(at, 0) & (a ^ b) == a ^ b
        nor.ioctl(6, 0)
        assert not nor.weak and read(nor, 0, 0, SECTOR) == b"\xff" * SECTOR


def test_a_program_makes_the_unstable_cells_it_clears_firm():
    nor = Nor(SECTOR)
    nor.weak = {0: 0b11}
    nor.writeblocks(0, b"\xfe", 0)
    assert nor.weak == {0: 0b10}


@pytest.mark.parametrize("name", FAULTS)
def test_broken_sectors(name):
    nor = Nor(2 * SECTOR, image=bytes(2 * SECTOR), seed=4)
    nor.ioctl(6, 0)
    nor.faults[0] = name
    data = bytes(64)
    if name.startswith("program"):
        told = nor.writeblocks(0, data, 0)
        assert told == (-errno.EIO if name == "program error" else 0)
        assert read(nor, 0, 0, 64) != data
    elif name.startswith("erase"):
        nor.writeblocks(0, bytes(SECTOR), 0)
        assert nor.ioctl(6, 0) == (-errno.EIO if name == "erase error" else 0)
        assert read(nor, 0, 0, SECTOR) != b"\xff" * SECTOR
    else:
        assert nor.readblocks(0, bytearray(1), 0) == -errno.EIO
    assert nor.ioctl(6, 1) == 0 and nor.writeblocks(1, data, 0) == 0  # the neighbour is well
    assert read(nor, 1, 0, 64) == data


def test_queued_writes_land_in_any_order_until_they_are_synced():
    seen = set()
    for seed in range(1, 60):
        nor = Nor(SECTOR, queued=True, seed=seed)
        nor.writeblocks(0, b"A", 0)
        nor.ioctl(3, 0)
        nor.writeblocks(0, b"B", 1)
        nor.writeblocks(0, b"C", 2)
        assert read(nor, 0, 0, 3) == b"ABC"
        nor.cut_after(0, mode="none")
        with pytest.raises(PowerCut):
            nor.writeblocks(0, b"D", 3)
        nor.revive()
        seen.add(read(nor, 0, 0, 4))
    assert seen == {b"ABC\xff", b"AB\xff\xff", b"A\xffC\xff", b"A\xff\xff\xff"}


def test_chips_that_share_power_die_together():
    first, second = Nor(SECTOR), Nor(SECTOR)
    first.cut_after(1, mode="none", shared=(first, second))
    second.writeblocks(0, b"\0", 0)
    with pytest.raises(PowerCut):
        first.writeblocks(0, b"\0", 0)
    assert read(second, 0, 0, 1) == b"\0"


def test_the_same_seed_breaks_the_same_way():
    for mode in MODES:
        left = [cut(mode, bytes(200), seed=7) for _ in range(2)]
        assert left[0].mem == left[1].mem and left[0].weak == left[1].weak


def test_an_image_comes_back_from_its_file(tmp_path):
    nor = Nor(SECTOR)
    nor.writeblocks(0, b"kept", 9)
    nor.save(tmp_path / "image")
    other = Nor(SECTOR)
    other.weak = {3: 1}
    other.load((tmp_path / "image").read_bytes())
    assert other.mem == nor.mem and not other.weak
    with pytest.raises(ValueError):
        other.load(b"")
