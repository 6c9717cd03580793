"""The table of response codes: it fits the display and says something for everything."""

from mobi import transactions as tx
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.ui.text import wrap


def columns(text):
    return sum([1 if ord(c) < 0x80 else 2 for c in text])


def test_texts_fit_the_display():
    for row in codes.TABLE:
        for text in (row[2], row[3]):
            assert 0 < columns(text) <= 16, (row[0], text)
    for entry in codes.ADVICE:
        assert len(entry) == 6
        for text in entry[:2]:
            assert 0 < columns(text) <= 16, text
        for text in entry[2:4]:
            assert text and len(wrap(text)) <= 2, text  # a page has a headline and two rows
            assert max([columns(row) for row in wrap(text)]) <= 16, text
    for entry in codes.GROUPS:
        for text in entry:
            assert columns(text) <= 16, text


def test_chinese_texts_are_chinese_and_english_ones_ascii():
    for row in codes.TABLE:
        assert any([ord(c) > 0x7F for c in row[2]]) and all([ord(c) < 0x80 for c in row[3]]), row
    for entry in codes.ADVICE:
        for at in (0, 2):
            assert any([ord(c) > 0x7F for c in entry[at]]), entry
            assert all([ord(c) < 0x80 for c in entry[at + 1]]), entry


def test_rows_are_whole_and_codes_are_used_once():
    seen = set()
    for code, letter, _, _, group, retry, advice in codes.TABLE:
        assert len(code) == 2 and code not in seen
        seen.add(code)
        assert letter in "ABCDE"
        assert 0 <= group < len(codes.GROUPS) and retry in (codes.NO, codes.YES, codes.LOOK)
        assert 0 <= advice < len(codes.ADVICE)
        # A refusal has a cause, an approval has none.
        assert (group == codes.G_NONE) == (letter == codes.APPROVED)
    used = {row[6] for row in codes.TABLE} | {codes.UNKNOWN}
    for entry in codes.ADVICE:
        used |= {entry[4], entry[5]}
    assert used == set(range(len(codes.ADVICE)))


def test_the_codes_hosts_send_are_all_there():
    older = "00 01 02 03 04 05 06 07 09 10 11 12 13 14 15 19 20 21 22 25 30 34 38 40 41 43 45"
    newer = "51 54 55 57 58 59 61 62 64 65 68 75 77 90 91 92 94 95 96 97 98 99"
    letters = "A0 A1 A2 A3 A4 A5 A6 A7"
    for code in older.split() + newer.split() + letters.split():
        assert codes.find(code)[0] == code


def test_what_counts_as_approved():
    approved = [row[0] for row in codes.TABLE if codes.is_approved(row[0], tx.SALE)]
    assert approved == ["00", "10", "11", "A2", "A4", "A5", "A6"]
    for kind in (tx.VOID, tx.REFUND, tx.BALANCE, 0):
        assert not codes.is_approved("10", kind)
        assert codes.is_approved("00", kind)
    for code in ("", "0", "000", "0O", "??", "zz", "L1"):
        assert not codes.is_approved(code, tx.SALE)
    assert [row[0] for row in codes.TABLE if codes.is_doubtful(row[0])] == ["A2", "A4", "A5", "A6"]


def test_unknown_codes_are_plain_refusals():
    assert codes.text("Z9", 0) == "应答码不明"
    assert codes.find("Z9")[1] == codes.REFUSED
    assert codes.retry("Z9") == codes.NO
    assert codes.advice("Z9", 1)


def test_no_answer_is_no_harm_to_what_moves_no_money():
    assert codes.retry(codes.NO_REPLY, tx.REFUND) == codes.LOOK
    assert codes.retry(codes.NO_REPLY, tx.SALE) == codes.LOOK
    assert codes.retry("98", tx.VOID) == codes.LOOK
    for code in (codes.NO_REPLY, "98", "94"):
        assert codes.retry(code, tx.BALANCE) == codes.YES
        assert codes.advice(code, 1, tx.BALANCE) == codes.ADVICE[codes.LATER_ONLY][1]


def test_nothing_that_may_have_gone_through_is_called_safe_to_repeat():
    for row in codes.TABLE:
        if row[6] in (codes.LATER, codes.UNSURE, codes.LOOK_UP):
            assert row[5] == codes.LOOK, row
    assert codes.retry(codes.LINE_DOWN) == codes.YES


class Down(Exception):
    reason = "down"


class NoAck(Exception):
    reason = "no_ack"


class NoReply(Exception):
    reason = "no_reply"


def test_errors_have_codes():
    for error, code in (
        (Down(), codes.LINE_DOWN), (NoAck(), codes.NO_ACK), (NoReply(), codes.NO_REPLY),
        (BadMac(True), codes.BAD_MAC), (Rejected(11, "000001", "000002"), codes.MISMATCH),
        (BadMessage(48, "length"), codes.GARBLED),
    ):
        assert codes.of_error(error) == code
        assert codes.find(code)[0] == code
    assert codes.fault_text(Rejected(11, "000001", "000002")) == "F11: 000001 <> 000002"
    assert codes.fault_text(BadMac(True)) == "MAC missing"
