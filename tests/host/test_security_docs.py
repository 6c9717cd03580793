"""docs/security.md says what the code does: every test it names, the keys, numbers and defaults."""

import re

import pytest

from host_tools.acquirer import security
from host_tools.acquirer.cards import NotATestCard, TestCard
from host_tools.acquirer.host import TEST_TMK
from mobi import access
from tests.host import references

TEXT = (references.ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_it_names_is_there():
    assert references.missing_tests(TEXT) == []
    assert len(references.TEST.findall(TEXT)) > 25


def test_every_file_it_names_is_there():
    for path in re.findall(r"`((?:boards|firmware|host_tools|docs)/[\w/.]+)`", TEXT):
        assert (references.ROOT / path).exists(), path


def test_the_test_key_is_the_one_in_use():
    assert TEST_TMK.hex().upper() in TEXT
    assert f"(KCV {security.kcv(TEST_TMK).hex().upper()})" in TEXT


def test_the_lock_out_grows_as_it_says():
    minutes = [access.lock_seconds(wrong) // 60 for wrong in range(3, 12)]
    assert minutes[:3] == [1, 2, 4] and minutes[-1] == 60 and "(1, 2, 4 ... 60 minutes)" in TEXT


def test_the_number_of_notes_is_the_terminals():
    from mobi.flows import admin

    assert f"its newest {admin._LAST_NOTES} notes" in TEXT


@pytest.mark.parametrize("number", ["6225880137706868", "4111111111111111", "6222021234567890129"])
def test_real_card_numbers_are_never_accepted(number):
    with pytest.raises(NotATestCard):
        TestCard("mine", number)
