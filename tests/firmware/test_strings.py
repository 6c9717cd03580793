"""Every text in both languages: sorted, with the same values to fill in, and fit for its place."""

from mobi import settings
from mobi.flows import menus
from mobi.ui import strings
from mobi.ui.text import width, wrap

_COLUMNS = 16
_LABEL = 15  # a menu puts one digit before a label


def conversions(text):
    """The letters of the % conversions in ``text``, in order."""
    found = ""
    i = 0
    while i < len(text):
        if text[i] == "%":
            i += 1
            while text[i] in "0123456789.-":
                i += 1
            found += text[i]
        i += 1
    return found


def test_ids_are_sorted_and_found():
    names = [row[0] for row in strings.TABLE]
    assert names == sorted(set(names))
    for row in strings.TABLE:
        assert len(row) == 3 and row[1] and row[2], row
        assert strings.lookup(row[0], strings.CHINESE) == row[1]
        assert strings.lookup(row[0], strings.ENGLISH) == row[2]


def test_an_unknown_id_is_a_key_error():
    for name in ("", "no such", "zzz", "a"):
        try:
            strings.lookup(name, 0)
        except KeyError:
            continue
        raise AssertionError(name)


def test_both_languages_take_the_same_values():
    for name, zh, en in strings.TABLE:
        assert conversions(zh) == conversions(en), name
    assert conversions("%06d of %s, 100%%") == "ds%"


def test_no_row_is_wider_than_the_panel():
    for row in strings.TABLE:
        if row[0] in _PAPER or row[0].startswith("slip_"):
            continue
        for text in row[1:]:
            for line in wrap(text):
                assert width(line) <= _COLUMNS, (row[0], line)
        for word in row[2].replace("\n", " ").split(" "):
            assert width(word) <= _COLUMNS, (row[0], word)


# Only ever on paper.
_PAPER = ("copy_bank", "copy_cardholder", "copy_merchant", "duplicate", "signature")


def labels(entries):
    out = []
    for label, target in entries:
        out.append(label)
        if not isinstance(target, str):
            out += labels(target)
    return out


def test_labels_of_menus_fit_beside_their_digit():
    names = labels(menus.MAIN) + labels(menus.SYSTEM)
    names += ["p_" + entry[0] for entry in settings.TABLE]
    for name in names:
        for language in (0, 1):
            assert width(strings.lookup(name, language)) <= _LABEL, (name, language)


def test_labels_of_one_menu_differ():
    for entries in (menus.MAIN, menus.MANAGE, menus.OTHER, menus.PRINT, menus.QUERY, menus.SYSTEM):
        for language in (0, 1):
            found = [strings.lookup(entry[0], language) for entry in entries]
            assert len(set(found)) == len(found), found


def test_every_state_kind_and_verdict_has_its_text():
    from mobi import transactions as tx

    for name in tx.STATE_NAMES.values():
        assert width(strings.lookup("state_" + name, 1)) <= 12
    for name in tx.KIND_NAMES.values():
        assert strings.lookup(name, 0) and strings.lookup("slip_" + name, 0)
    for name in ("verdict_0", "verdict_1", "verdict_2", "verdict_3", "verdict_empty",
                 "verdict_foreign", "verdict_version"):
        assert strings.lookup(name, 0)
