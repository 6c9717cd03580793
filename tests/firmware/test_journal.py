"""The journal: life of a transaction, batches, finding, room; power cuts are in tests/powercut."""

from binascii import crc32

from journal_chip import Cipher, Random, again, approve, chip, complete, fresh, sale

from mobi import transactions as tx
from mobi.journal.log import (
    CLEAN,
    DAMAGED,
    EMPTY,
    FOREIGN,
    OTHER_VERSION,
    REPAIRED,
    Journal,
    JournalFull,
)

FIELDS = """
    kind state trace batch amount time operator supervisor pan masked_pan entry original_trace
    original_batch original_rrn original_date original_auth code rrn auth host_time settle_date
    institutions host_text reason attempts printed note extra approved_amount
""".split()


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return True
    raise AssertionError("nothing was raised")


def picture(txn):
    return [(name, getattr(txn, name)) for name in FIELDS]


def test_every_field_comes_back():
    for unit in (1, 256):
        journal, nor = fresh(unit=unit)
        txn = sale(
            123456789012,
            time=800000000,
            kind=tx.VOID,
            supervisor=0,
            entry="012",
            original_trace=999999,
            original_batch=42,
            original_rrn="123456789012",
            original_date="1122",
            original_auth="AB12 9",
            note=3,
            extra=bytes(range(100)),
        )
        journal.begin(txn)
        txn.host_text = "中国银联".encode()
        txn.approved_amount = 99999999999
        approve(journal, txn)
        txn.printed = 3
        journal.mark(txn, tx.PRINT)
        txn.masked_pan = "622202*********0128"
        assert picture(journal.at(0)) == picture(txn)
        journal, verdict = again(nor, unit)
        assert verdict.kind == CLEAN
        assert picture(journal.at(0)) == picture(txn)
        assert picture(journal.find(txn.trace)) == picture(txn)
        assert picture(journal.last()) == picture(txn)
        assert picture(journal.newest_approved()) == picture(txn)


def test_letters_in_reference_numbers_and_short_fields():
    journal, nor = fresh()
    txn = sale(1, kind=tx.REFUND, pan="6222021234567", original_rrn="12345678901X")
    journal.begin(txn)
    txn.code = "A2"
    txn.rrn = "abcdefABCDEF"
    journal.mark(txn, tx.APPROVE)
    journal, _ = again(nor)
    back = journal.at(0)
    assert back.rrn == "abcdefABCDEF" and back.original_rrn == "12345678901X"
    assert back.code == "A2" and back.auth == "" and back.pan == "6222021234567"
    assert back.masked_pan == "622202***4567"


def test_no_card_number_rests_in_clear():
    journal, nor = fresh()
    txn = sale()
    txn.track2 = "6222021234567890128=3012"
    txn.expiry = "3012"
    txn.pin_block = b"\x12\x34\x56\x78\x9a\xbc\xde\xf0"
    journal.begin(txn)
    approve(journal, txn)
    pieces = [b"\x21\x23\x45\x67\x89", b"\x12\x34\x56\x78\x90", b"2123456789"]
    pieces += [b"3012", txn.pin_block]
    for piece in pieces:
        assert nor.mem.find(piece) < 0


def test_a_deleted_key_leaves_only_the_masked_number():
    journal, nor = fresh()
    complete(journal)
    journal = Journal(nor, 1, Cipher(0x77))
    journal.mount()
    assert journal.at(0).pan == "" and journal.at(0).masked_pan == "622202*********0128"


def test_wrong_events_are_refused_and_nothing_is_written():
    journal, nor = fresh()
    txn = sale()
    journal.begin(txn)
    image = crc32(nor.mem)
    for event in (tx.BEGIN, tx.ATTEMPT, tx.UNDONE, tx.PRINT, tx.RELEASE):
        assert raises(tx.WrongEvent, journal.mark, txn, event)
    assert raises(tx.WrongEvent, journal.begin, txn)
    assert raises(tx.WrongEvent, journal.mark, sale(), tx.APPROVE)
    assert crc32(nor.mem) == image
    approve(journal, txn)
    stale = sale()
    stale.ordinal, stale.trace, stale.state = txn.ordinal, txn.trace, tx.PENDING
    assert raises(tx.WrongEvent, journal.mark, stale, tx.APPROVE)


def test_a_slip_whose_transaction_is_damaged_is_not_noted_and_nothing_is_written():
    for damaged in (b"intent", b"approval"):
        journal, nor = fresh()
        txn = sale()
        start = journal.off
        journal.begin(txn)
        middle = journal.off
        approve(journal, txn)
        complete(journal)
        begin = journal.head * 4096 + (start if damaged == b"intent" else middle)
        nor.mem[begin + 12 : begin + 16] = bytes(4)
        txn.printed = 1
        image = crc32(nor.mem)
        assert journal.mark(txn, tx.PRINT) is False
        assert txn.state == tx.APPROVED and crc32(nor.mem) == image
        other = sale()
        journal.begin(other)  # it goes on
        approve(journal, other)
        assert journal.mark(other, tx.PRINT)


def test_reversal_keeps_what_it_needs():
    journal, nor = fresh()
    txn = sale()
    journal.begin(txn)
    txn.reason = tx.BAD_MAC
    txn.auth = "654321"
    journal.mark(txn, tx.REVERSE)
    txn.attempts = 1
    journal.mark(txn, tx.ATTEMPT)
    complete(journal)
    txn.attempts = 2
    journal.mark(txn, tx.ATTEMPT)
    journal, _ = again(nor)
    (due,) = journal.unfinished()
    assert (due.state, due.reason, due.auth, due.attempts) == (tx.REVERSAL_DUE, "A0", "654321", 2)
    assert due.pan == "6222021234567890128" and due.trace == 1
    due.code = "25"
    journal.mark(due, tx.UNDONE)
    journal, _ = again(nor)
    assert journal.unfinished() == [] and journal.at(0).state == tx.REVERSED
    assert journal.at(0).code == "25"
    events = [event for event, _ in journal.history(journal.at(0))]
    assert events == [tx.BEGIN, tx.REVERSE, tx.ATTEMPT, tx.ATTEMPT, tx.UNDONE]


def _void(journal, original, **fields):
    void = sale(original.amount, kind=tx.VOID, **fields)
    void.original_trace = original.trace
    void.original_batch = original.batch
    journal.begin(void)
    return void


def test_void_marks_its_sale_with_its_own_approval():
    journal, nor = fresh()
    old = complete(journal, amount=5)
    complete(journal, amount=6)
    void = _void(journal, old)
    assert journal.at(0).state == tx.APPROVED
    approve(journal, void)
    for _ in range(2):
        assert journal.at(0).state == tx.VOIDED
        assert journal.find(old.trace).state == tx.VOIDED
        assert journal.at(1).state == tx.APPROVED
        assert journal.newest_approved().kind == tx.VOID
        sums = journal.totals()
        assert (sums.debit_count, sums.debit_amount) == (2, 11)
        assert (sums.credit_count, sums.credit_amount) == (1, 5)
        journal, _ = again(nor)


def test_reversed_void_leaves_the_sale_standing():
    journal, nor = fresh()
    old = complete(journal)
    void = _void(journal, old)
    void.reason = tx.NO_REPLY
    journal.mark(void, tx.REVERSE)
    void.code = "00"
    journal.mark(void, tx.UNDONE)
    journal, _ = again(nor)
    assert journal.at(0).state == tx.APPROVED and journal.at(1).state == tx.REVERSED
    assert journal.newest_approved().trace == old.trace


def test_refunds_are_summed_by_reference():
    journal, nor = fresh()
    sold = complete(journal, amount=1000)
    for amount in (300, 200):
        back = sale(amount, kind=tx.REFUND, original_rrn=sold.rrn, original_date="1122")
        journal.begin(back)
        approve(journal, back)
    lost = sale(50, kind=tx.REFUND, original_rrn=sold.rrn)
    journal.begin(lost)
    journal.mark(lost, tx.LOSE)
    for _ in range(2):
        assert journal.refunded(sold.rrn) == 500
        assert journal.refunded("000000000000") == 0
        assert journal.at(0).state == tx.REFUNDED
        assert journal.totals().credit_amount == 500
        assert [txn.trace for txn in journal.unfinished()] == [lost.trace]
        assert journal.find_rrn(sold.rrn).trace == sold.trace
        assert journal.find_rrn("000000000000") is None
        journal, _ = again(nor)


def test_refunds_are_summed_over_batches():
    journal, nor = fresh()
    sold = complete(journal, amount=1000)
    for batch in (2, 3, 4):
        journal.settle(batch)
        back = sale(100, kind=tx.REFUND, original_rrn=sold.rrn)
        journal.begin(back)
        approve(journal, back)
        while journal.idle():
            pass
        assert journal.refunded(sold.rrn) == 100 * (batch - 1)
        journal, _ = again(nor)
        assert journal.refunded(sold.rrn) == 100 * (batch - 1)
    part = sale(500, kind=tx.REFUND, original_rrn=sold.rrn)
    journal.begin(part)
    part.approved_amount = 200
    approve(journal, part)
    assert journal.refunded(sold.rrn) == 500


def test_neighbours_are_found_without_reading_their_sector_again():
    journal, nor = fresh(unit=256)
    for n in range(60):
        complete(journal, amount=100 + n)
    for order in (range(59, 19, -1), range(20, 60)):
        nor.reset_counters()
        assert [journal.at(i).amount for i in order] == [100 + i for i in order]
        # Each lies in one page or two; walking its sector from the front takes 8 in the mean.
        assert nor.reads <= 4 * 40


def test_settlement_closes_the_batch_and_keeps_it_readable():
    journal, nor = fresh()
    for i in range(5):
        complete(journal, amount=i + 1)
    lost = sale(50, kind=tx.REFUND)
    journal.begin(lost)
    journal.mark(lost, tx.LOSE)
    assert journal.settlement_stage == (0, b"") and not journal.settlement_open
    journal.settlement(1, b"asked")
    journal.settlement(2, b"3 of 5")
    journal, _ = again(nor)
    assert journal.settlement_open and journal.settlement_stage == (2, b"3 of 5")
    journal.settle(2, b"totals")
    for _ in range(2):
        assert journal.batch == 2 and journal.count == 0 and not journal.settlement_open
        assert journal.totals().debit_count == 0
        assert journal.last_batch == b"totals" and journal.last_batch_number == 1
        assert journal.last_count == 6 and journal.at_last(4).amount == 5
        assert journal.at_last(0).state == tx.SETTLED
        assert journal.newest_approved() is None and journal.last() is None
        assert journal.find(3) is None and journal.find_settled(3).amount == 3
        assert journal.find(3, 1).amount == 3
        assert [txn.trace for txn in journal.unfinished()] == [6]
        journal, _ = again(nor)
    unknown = journal.unfinished()[0]
    unknown.code = "00"
    journal.mark(unknown, tx.APPROVE)
    assert journal.totals().credit_count == 0  # it belongs to the batch that was settled
    journal, _ = again(nor)
    assert journal.unfinished() == []


def test_batch_number_of_the_host_only_while_empty():
    journal, nor = fresh()
    journal.set_batch(77)
    journal, _ = again(nor)
    assert journal.batch == 77
    complete(journal)
    assert raises(Exception, journal.set_batch, 78)


def test_trace_wraps_to_one_and_is_never_used_twice():
    journal, nor = fresh()
    journal.format(3, 999995)
    seen = []
    for i in range(10):
        if i % 3 == 2:
            seen.append(journal.take_trace())
        else:
            seen.append(complete(journal, amount=i + 1).trace)
        journal, _ = again(nor)
    assert seen == [999995, 999996, 999997, 999998, 999999, 1, 2, 3, 4, 5]
    for i in range(10):
        if i % 3 != 2:
            assert journal.find(seen[i]).amount == i + 1
        else:
            assert journal.find(seen[i]) is None
    assert journal.find(999994) is None and journal.find(6) is None and journal.find(0) is None


def test_ring_turns_for_many_batches_and_open_ones_are_never_lost():
    for unit in (1, 256):
        journal, nor = fresh(16, unit)
        lost = sale(777, kind=tx.REFUND, original_rrn="123456789012", extra=b"app")
        journal.begin(lost)
        journal.mark(lost, tx.LOSE)
        journal.note(b"C", b"called the bank, case 4711", lost)
        given_up = sale(888)
        journal.begin(given_up)
        given_up.reason = tx.NO_REPLY
        journal.mark(given_up, tx.REVERSE)
        given_up.attempts = 3
        journal.mark(given_up, tx.ATTEMPT)
        given_up.supervisor, given_up.note = 0, 2
        journal.mark(given_up, tx.RELEASE)
        journal.settle(2, b"first")
        n = 0
        for batch in range(3, 8):
            for _ in range(150):
                n += 1
                complete(journal, amount=n)
                while journal.idle():
                    pass
            sums = journal.totals()
            assert sums.debit_count == 150
            journal.settle(batch, b"%d" % batch)
            journal, verdict = again(nor, unit)
            assert verdict.kind == CLEAN
            assert journal.last_count == 150
            assert journal.at_last(149).amount == n
        assert nor.erases > 30
        (back,) = journal.unfinished()
        assert (back.trace, back.amount, back.state) == (1, 777, tx.UNKNOWN)
        assert back.original_rrn == "123456789012" and back.extra == b"app" and back.batch == 1
        assert [note[2] for note in journal.notes(b"C", back)] == [b"called the bank, case 4711"]
        (gone,) = journal.released()
        assert (gone.trace, gone.attempts, gone.note) == (2, 3, 2)
        events = [event for event, _ in journal.history(gone)]
        assert events == [tx.BEGIN, tx.REVERSE, tx.ATTEMPT, tx.RELEASE]
        assert journal.find(1, 1).amount == 777
        back.code = "00"
        journal.mark(back, tx.APPROVE)
        journal, _ = again(nor, unit)
        assert journal.unfinished() == []


def test_full_is_an_answer_at_begin_only():
    for unit in (1, 256):
        journal, nor = fresh(16, unit)
        count = 0
        while True:
            txn = sale(1)
            try:
                journal.begin(txn)
            except JournalFull:
                break
            assert journal.room >= 0
            approve(journal, txn)
            count += 1
        assert txn.state == 0 and txn.trace == 0
        assert journal.room == 0 and count > 400
        void = _void(journal, journal.at(0))  # there is room for one void
        approve(journal, void)
        for _ in range(40):
            journal, verdict = again(nor, unit)
            assert verdict.kind == CLEAN and not verdict.read_only
        for i in range(80):
            journal.settlement(2, b"%d" % i)
            journal.take_trace()
        journal.settle(2, b"t" * 100)
        assert journal.room > 0
        complete(journal)
        journal, verdict = again(nor, unit)
        # Room for the new batch was made by giving up the oldest of the settled one.
        assert 400 < journal.last_count <= count + 1 and journal.count == 1
        assert journal.at_last(journal.last_count - 1).kind == tx.VOID


def _doubted(journal, amount):
    # A sale whose reversal was closed by 12.
    txn = sale(amount)
    journal.begin(txn)
    txn.reason = tx.NO_REPLY
    journal.mark(txn, tx.REVERSE)
    txn.attempts, txn.code = 1, tx.CLOSED_UNPROVEN
    journal.mark(txn, tx.ATTEMPT)
    journal.mark(txn, tx.DOUBT)
    return txn


def test_what_12_closed_stays_a_case_for_many_batches_and_never_blocks():
    for unit in (1, 256):
        journal, nor = fresh(16, unit)
        first = _doubted(journal, 555)
        journal.note(b"C", b"close 12", first)
        journal.settle(2, b"first")
        for batch in range(3, 8):
            for n in range(150):
                complete(journal, amount=n + 1)
                while journal.idle():
                    pass
            journal.settle(batch, b"s")
            journal, verdict = again(nor, unit)
            assert verdict.kind == CLEAN
        (kept,) = journal.cases()
        assert (kept.state, kept.amount, kept.code) == (tx.UNPROVEN, 555, "12")
        assert journal.unfinished() == [] and journal.room
        assert [bytes(text) for _, _, text, _ in journal.notes(b"C", kept)] == [b"close 12"]
        kept.code = tx.BY_HAND
        journal.mark(kept, tx.UNDONE)
        assert kept.state == tx.REVERSED and journal.cases() == []
        journal, _ = again(nor, unit)
        assert journal.cases() == []


def test_more_of_them_than_can_be_kept_push_out_the_oldest_and_nothing_else():
    journal, nor = fresh(32)
    open_ones = []
    for n in range(11):
        lost = sale(1000 + n, kind=tx.REFUND, original_rrn="123456789012")
        journal.begin(lost)
        journal.mark(lost, tx.LOSE)
        open_ones.append(lost.trace)
    for n in range(20):
        _doubted(journal, n + 1)
    complete(journal)
    for _ in range(2):
        assert [txn.trace for txn in journal.unfinished()] == open_ones
        doubted = [txn.amount for txn in journal.cases() if txn.state == tx.UNPROVEN]
        assert doubted == [17, 18, 19, 20]  # beside eleven that are open and the one that began
        assert journal.find(open_ones[-1] + 1).state == tx.UNPROVEN  # by its number it is there
        journal, verdict = again(nor)
        assert verdict.kind == CLEAN


def test_running_life_fits_however_full_it_is():
    journal, nor = fresh(16)
    try:
        while True:
            txn = sale(1)
            journal.begin(txn)
            if journal.room:
                approve(journal, txn)
    except JournalFull:
        pass
    assert len(journal.unfinished()) > 1
    for due in journal.unfinished():
        due.reason = tx.NO_REPLY
        journal.mark(due, tx.REVERSE)
    for i in range(200):
        due = journal.unfinished()[i % len(journal.unfinished())]
        due.attempts += 1
        journal.mark(due, tx.ATTEMPT)
        if i % 20 == 0:
            journal, _ = again(nor)
    for due in journal.unfinished():
        due.code = "00"
        journal.mark(due, tx.UNDONE)
    assert journal.unfinished() == []
    journal.settle(2, b"")
    assert journal.count == 0


def test_never_idle_means_erases_but_no_loss():
    journal, nor = fresh(16)
    for batch in range(2, 8):
        for i in range(120):
            complete(journal, amount=batch * 1000 + i)
        journal.settle(batch, b"")
    journal, _ = again(nor)
    assert journal.at_last(119).amount == 7119


def test_erases_happen_in_idle_only():
    journal, nor = fresh(16)
    worst = 0
    for batch in range(2, 7):
        for i in range(120):
            before = nor.erases
            if i:
                complete(journal)
            else:
                journal.settle(batch, b"")
            assert nor.erases == before
            while journal.idle():
                worst = max(worst, nor.erases - before)
                before = nor.erases
    assert worst == 1 and nor.erases > 16


def test_notes_newest_first_and_by_kind():
    journal, nor = fresh()
    for i in range(6):
        journal.note(b"AF"[i % 2 :][:1], b"%d" % i)
    journal, _ = again(nor)
    assert [note[2] for note in journal.notes()] == [b"5", b"4", b"3", b"2", b"1", b"0"]
    assert [note[2] for note in journal.notes(b"F")] == [b"5", b"3", b"1"]
    assert [note[1] for note in journal.notes(ord("A"))] == [b"A"] * 3


def test_late_print_of_an_older_sale():
    journal, nor = fresh()
    first = sale(1)
    journal.begin(first)
    approve(journal, first)
    for i in range(100):
        complete(journal, amount=i + 2)
    first = journal.at(0)
    assert first.printed == 0
    first.printed = 1
    journal.mark(first, tx.PRINT)
    void = _void(journal, first)
    approve(journal, void)
    for i in range(60):
        complete(journal, amount=i + 200)
    first = journal.at(0)
    assert (first.state, first.printed) == (tx.VOIDED, 1)
    first.printed = 3
    journal.mark(first, tx.PRINT)
    assert first.state == tx.VOIDED
    journal, _ = again(nor)
    assert (journal.at(0).state, journal.at(0).printed) == (tx.VOIDED, 3)
    assert journal.at(1).state == tx.APPROVED and journal.at(1).printed == 3


def test_many_voids_in_one_sector():
    # More than a head can list.
    journal, nor = fresh(16)
    sales = [complete(journal, amount=i + 1) for i in range(80)]
    for old in sales[:40]:
        approve(journal, _void(journal, old, pan=""))
    for i in range(60):
        complete(journal, amount=i + 200)
    for _ in range(2):
        for i in range(80):
            assert journal.at(i).state == (tx.VOIDED if i < 40 else tx.APPROVED), i
        journal, _ = again(nor)


def test_a_sale_and_its_void_in_a_sector_that_voids_many():
    # The head behind it cannot list them all; the sector of the sale itself tells the rest.
    journal, nor = fresh(16)
    old = [complete(journal, amount=i + 1) for i in range(30)]
    while journal.head == journal.chain[0]:
        complete(journal, amount=50)
    wanted = {txn.trace: tx.VOIDED for txn in old[:6]}
    for txn in old[:6]:
        approve(journal, _void(journal, txn, pan=""))
    for kind, state in ((tx.VOID, tx.VOIDED), (tx.REFUND, tx.REFUNDED)):
        txn = complete(journal, amount=77)
        wanted[txn.trace] = state
        other = sale(77, kind=kind, original_trace=txn.trace, original_batch=txn.batch)
        journal.begin(other)
        approve(journal, other)
    sector = journal.head
    while journal.head == sector:
        complete(journal, amount=60)
    for _ in range(2):
        assert {trace: journal.find(trace).state for trace in wanted} == wanted
        journal, _ = again(nor)


def test_verdicts_on_what_is_no_journal():
    nor = chip()
    assert again(nor)[1].kind == EMPTY and not again(nor)[1].usable
    nor = chip()
    random = Random(9)
    for at in range(0, nor.size, 256):
        nor.mem[at : at + 256] = random.bytes(256)
    assert again(nor)[1].kind == FOREIGN
    _, nor = fresh()
    end = nor.mem[4] - 4
    nor.mem[3] = 9
    nor.mem[end : end + 4] = crc32(bytes(nor.mem[:end])).to_bytes(4, "little")
    assert again(nor)[1].kind == OTHER_VERSION
    before = crc32(nor.mem)
    again(nor)
    assert crc32(nor.mem) == before


def test_one_wrong_bit_in_a_head_costs_nothing():
    for bit in range(0, 360, 37):
        journal, nor = fresh()
        for i in range(40):
            complete(journal, amount=i + 1, extra=bytes(100))
            journal.idle()
        sector = journal.chain[1] if bit & 1 else journal.head
        nor.mem[sector * 4096 + (bit >> 3)] ^= 1 << (bit & 7)
        for _ in range(2):
            journal, verdict = again(nor)
            assert verdict.kind == REPAIRED, (sector, bit, verdict.text)
            assert [journal.at(i).amount for i in range(40)] == list(range(1, 41))
        complete(journal)
        assert again(nor)[0].count == 41


def test_a_sector_that_cannot_be_read_is_told():
    journal, nor = fresh(8)
    for i in range(40):
        complete(journal, amount=i + 1, extra=bytes(100))
        journal.idle()
    nor.faults[journal.head] = "read error"
    for _ in range(2):
        journal, verdict = again(nor)
        assert verdict.kind == DAMAGED or verdict.bad, verdict.text
    nor.faults.clear()


def test_sectors_that_fail_are_retired_and_nothing_is_lost():
    for fault in ("program error", "program wrong", "erase error", "erase wrong"):
        for unit in (1, 256):
            journal, nor = fresh(16, unit)
            for s in (3, 4, 9):
                nor.faults[s] = fault
            for batch in range(2, 7):
                for i in range(150):
                    complete(journal, amount=batch * 1000 + i)
                    while journal.idle():
                        pass
                for i in range(0, 150, 7):
                    assert journal.at(i).amount == batch * 1000 + i, (fault, i)
                journal.settle(batch, b"")
                journal, verdict = again(nor, unit)
                assert verdict.usable and verdict.kind == CLEAN, verdict.text
                assert journal.last_count == 150 and journal.at_last(149).printed == 3
            assert verdict.bad == [3, 4, 9], verdict.bad
            assert journal.health().low == (len(verdict.bad) * 8 >= 16)


def test_sizes_of_region():
    for sectors in (6, 16):
        journal, nor = fresh(sectors)
        for i in range(90):
            complete(journal, amount=i + 1)
        journal, verdict = again(nor)
        assert verdict.kind == CLEAN and journal.count == 90
        for i in (0, 40, 89):
            assert journal.at(i).amount == i + 1 and journal.find(i + 1).amount == i + 1
        assert journal.capacity > 15 * sectors


def fill(journal):
    """Sell until nothing fits any more; how many."""
    count = 0
    try:
        while True:
            complete(journal, amount=100 + count % 50)
            journal.idle()
            count += 1
    except JournalFull:
        return count


def test_a_sector_that_was_given_up_is_no_damage():
    # FLOOR records behind the newest head give up more than the head says.
    for restarts in (9, 12, 16):
        journal, nor = fresh()
        fill(journal)
        journal.settle(2, b"sums")
        for _ in range(restarts):
            journal, verdict = again(nor)
            assert verdict.kind == CLEAN, verdict.text
        while journal.idle():
            pass
        complete(journal)
        for _ in range(2):
            journal, verdict = again(nor)
            assert verdict.kind == CLEAN, verdict.text
            while journal.idle():
                pass
            assert not journal.damage


def test_power_cuts_in_the_upload_of_a_full_journal_end_nowhere():
    # Every start-up leaves a gap; they are reclaimed, so that what has begun can end.
    journal, nor = fresh(unit=256)
    count = fill(journal)
    for n in range(40):
        journal, verdict = again(nor, 256)
        assert not verdict.read_only, f"start-up {n}: {verdict.text}"
        assert journal.count == count
        journal.take_trace()
        journal.settlement(2, str(n).encode())
    assert journal.settlement_stage == (2, b"39")
    journal.settle(2, b"sums")
    while journal.idle():
        pass
    complete(journal)
    assert again(nor, 256)[1].kind == CLEAN
    assert nor.erases < 120


def test_what_is_blank_where_records_were_is_damage():
    journal, nor = fresh()
    for n in range(40):
        complete(journal, amount=100 + n)
    first = journal.chain[0] * 4096
    for at in range(first + 256, first + 900, 23):
        kept = bytes(nor.mem[at : at + 60])
        nor.mem[at : at + 60] = b"\xff" * 60
        journal, _ = again(nor)
        while journal.idle():
            pass
        assert journal.damage, at - first
        nor.mem[at : at + 60] = kept
