"""A `Reader` that goes on where it stopped says what `decode` says, whatever the image becomes."""

import random

import pytest

from host_tools.journal import Reader, decode
from tests.powercut import sweep


@pytest.fixture(scope="module", params=[(life, unit) for life in ("full", "cramped")
                                        for unit in (1, 256)], ids=str)
def images(request):
    """A life of a journal that goes around its chip, an image for each flash operation."""
    life, unit = request.param
    return [cut.image for cut in sweep.record(sweep.LIVES[life], unit)]


def test_through_a_life(images):
    reader, went_on = Reader(), 0
    for image in images:
        before = reader._replay
        assert reader.transactions(image) == decode(image).transactions
        went_on += reader._replay is before
    assert went_on > len(images) // 3, went_on  # else there is nothing to it


def test_from_any_image_to_any_other(images):
    dice, reader = random.Random(7), Reader()
    for _ in range(200):
        image = dice.choice(images)
        assert reader.transactions(image) == decode(image).transactions


def test_with_damage_beside_what_was_added(images):
    dice, reader = random.Random(8), Reader()
    sectors = len(images[-1]) // 4096
    used = [len(images[-1][4096 * n : 4096 * (n + 1)].rstrip(b"\xff")) for n in range(sectors)]
    for _ in range(400):
        at = dice.randrange(len(images) - 1)
        reader.transactions(images[at])
        image = bytearray(images[at + 1])
        sector = dice.choice([number for number, size in enumerate(used) if size])
        image[sector * 4096 + dice.randrange(used[sector])] ^= 1 << dice.randrange(8)
        assert reader.transactions(bytes(image)) == decode(bytes(image)).transactions


def test_what_was_handed_out_stays_as_it_was(images):
    reader, kept = Reader(), []
    for image in images:
        kept.append((reader.transactions(image), decode(image).transactions))
    assert all(had == is_ for had, is_ in kept)
