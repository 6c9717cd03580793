"""The decoder's words for notes, reasons and codes against the firmware's own tables."""

import re

import pytest

from host_tools.journal import words
from mobi import audit
from mobi.acquiring import codes
from mobi.flows import cases, reasons
from mobi.ui import strings

LANGUAGES = {"zh": 0, "en": 1}


def test_every_kind_of_note_has_its_name():
    assert words.NOTES == dict(audit.NAMES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_are_called_as_on_the_panel(language):
    named = {number: name for number, name in reasons.VOID + reasons.REFUND + reasons.RELEASE}
    named[reasons.NONE] = "reason_none"
    named[reasons.NOT_ACCEPTED] = "reason_not_accepted"
    for number, name in named.items():
        assert words.REASONS[language][number] == strings.lookup(name, LANGUAGES[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_local_codes_are_called_as_on_the_panel(language):
    for code, text in words.LOCAL_CODES[language].items():
        assert text == codes.text(code, LANGUAGES[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_note_of_a_case_can_be_said(language):
    table = re.findall(r"^    ([a-z]+)", cases.__doc__, re.MULTILINE)
    assert len(table) >= 9
    for word in table:
        said = words.case_sentence(f"{word} 00 1".encode(), language)
        assert said and "{" not in said and said != f"{word} 00 1"
    assert words.case_sentence(b"later words", language) == "later words"


def test_a_note_in_words():
    assert words.case_sentence(b"open L6", "en") == "case opened: L6 (Power was lost)"
    assert words.case_sentence(b"reason 00 1", "en") == "reason: Wrong amount (operator 00)"
    assert words.case_sentence(b"release 00 123456", "zh") == "主管 00 解除: 123456"
