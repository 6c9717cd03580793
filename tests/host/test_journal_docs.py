"""docs/journal.md says what the code does: example, survival table, kinds of records."""

from __future__ import annotations

import re

import pytest

from host_tools.journal import layout
from mobi.journal import layout as firmware
from tests.host import journal_doc

TEXT = journal_doc.DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", journal_doc.SECTIONS)
def test_what_is_made_from_code_is_current(name):
    begin, end = journal_doc.bounds(TEXT, name)
    made = journal_doc.SECTIONS[name]()
    assert TEXT[begin:end] == made + "\n", "run `python -m tests.host.journal_doc`"


def test_every_kind_of_record_has_its_row():
    rows = dict(re.findall(r"^\| (\d+) \| ([a-z_]+) \| .* \|$", TEXT, re.MULTILINE))
    assert {int(number): name for number, name in rows.items()} == layout.KINDS


def test_the_firmware_has_the_same_kinds():
    for number, name in layout.KINDS.items():
        if number < firmware.EVENT:
            assert getattr(firmware, name.upper()) == number
    assert max(layout.KINDS) == firmware.LAST_KIND


def test_the_commands_it_shows_exist():
    from host_tools.cli import main

    for name in re.findall(r"^mobi journal ([a-z]+) ", TEXT, re.MULTILINE):
        with pytest.raises(SystemExit) as ended:
            main(["journal", name, "--help"])
        assert ended.value.code == 0
