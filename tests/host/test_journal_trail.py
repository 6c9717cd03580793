"""The audit trail as one list, from journals made by hand: what no trading day brings about."""

from datetime import datetime, timedelta

from host_tools.journal.decode import Journal, Note, Settlement
from host_tools.journal.trail import trail

BEGAN = datetime(2026, 11, 22, 9)


def journal(*notes, settled=()):
    """A journal with notes (kind, text) a minute apart, and settlements (batch, minute)."""
    return Journal(
        "clean", batch=9,
        notes=[Note(BEGAN + timedelta(minutes=at), kind, text.encode("gbk"), None)
               for at, (kind, text) in enumerate(notes)],
        settlements=[Settlement(batch, batch + 1, BEGAN + timedelta(minutes=at), b"")
                     for batch, at in settled])


def test_the_terminals_number_follows_its_changes():
    acts = trail(journal(
        (b"A", "01 -- log-in"), (b"B", "-- -- terminal 00000001, Mobi 0.1.0; clean"),
        (b"P", "99 -- terminal 00000001 > 00000002"), (b"A", "01 -- log-in"),
        (b"B", "-- -- terminal , Mobi 0.1.0; empty"), (b"A", "01 -- log-in")))
    assert [act.terminal for act in acts] == [
        "", "00000001", "00000001", "00000002", "00000002", "00000002"]


def test_before_and_after_of_any_value():
    acts = trail(journal(
        (b"P", "99 -- merchant_name 末笔 店 > 末笔 > 店"), (b"P", "99 -- service_phone  > 95516"),
        (b"P", "99 00 copies 2 > 3 (host)"), (b"F", "01 -- mac 1 > 2")))
    assert [(act.what, act.before, act.after) for act in acts] == [
        ("merchant_name", "末笔 店", "末笔 > 店"), ("service_phone", "", "95516"),
        ("copies", "2", "3 (host)"), ("mac 1 > 2", "", "")]
    assert acts[2].supervisor == "00" and acts[0].supervisor == ""


def test_a_note_belongs_to_the_batch_that_was_open():
    acts = trail(journal(
        *[(b"A", "01 -- log-in")] * 5, settled=((7, 1), (8, 3))))
    assert [act.batch for act in acts] == [7, 7, 8, 8, 9]


def test_a_kind_of_a_later_firmware_is_shown_as_it_is():
    (act,) = trail(journal((b"\xff", "01 -- something new")))
    assert (act.kind, act.what) == ("?", "something new")
