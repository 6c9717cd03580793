"""Requests the composer builds and replies it believes, with a host made of its own codec.

The independent host, pyiso8583, is in tests/host/test_messages.py.
"""

from binascii import hexlify, unhexlify

from mobi import transactions as tx
from mobi.acquiring import parameters, security
from mobi.acquiring.iso8583 import Message, Packer
from mobi.acquiring.messages import TABLE, BadMac, BadMessage, Composer, Rejected

PAN = "6222021234567890128"
MAK = unhexlify("0123456789ABCDEF")


class Setup:
    tid = "00000001"
    mid = "123456789012345"
    tpdu = unhexlify("6000030000")
    reader = 2
    request_time = 1
    closing_mac = 1


class Keys:
    pik = unhexlify("0123456789ABCDEFFEDCBA9876543210")
    mak = MAK


class Totals:
    debit_amount = 123456
    debit_count = 7
    credit_amount = 3456
    credit_count = 2


VOID = [37, 38, 61]
REFUND = [37, 61, 63]
CARD = [2, 3, 4, 11, 22, 25, 26, 35, 41, 42, 49, 52, 53, 60, 64]


def sample(kind=tx.SALE):
    """A transaction in which everything is set that some message may want."""
    txn = tx.Transaction(kind)
    txn.trace = 17
    txn.batch = 3
    txn.amount = 12345
    txn.operator = 1
    txn.pan = PAN
    txn.entry = "021"
    txn.expiry = "3012"
    txn.track2 = PAN + "=30121011234567"
    txn.pin_block = b"\x2a\x08\x4c\x60\x49\x73\xd4\xae"
    txn.original_trace = 12
    txn.original_batch = 3
    txn.original_rrn = "112233445566"
    txn.original_date = "1121"
    txn.original_auth = "654321"
    txn.auth = "123456"
    txn.reason = "98"
    txn.totals = Totals()
    txn.packet = [txn] * 8
    txn.count = 500
    txn.balanced = False
    return txn


def fields(data):
    """What is in a request, by field."""
    message = Message()
    message.parse(data)
    return message, [field for field in range(2, 65) if message.has(field)]


def reply_to(composer, name, txn, code="00", drop=(), mak=MAK, **changes):
    """A host's reply: repeats what it must, ``changes`` are fields as f4="..."; MAC if asked."""
    row = next(row for row in TABLE if row[0] == name)
    message = Message()
    message.parse(bytes(composer.build(name, txn)))
    values = {}
    for field in (3, 11, 41, 42):
        if message.has(field):
            values[field] = message.text(field) if field > 40 else message.digits(field)
    if message.has(4):
        values[4] = message.digits(4)
    values[12] = "235958"
    values[13] = "1122"
    values[15] = "1123"
    values[37] = "000000000777"
    if code:
        values[39] = code
    if code == "00" and name in ("sale", "void"):
        values[38] = "777777"
    for key in changes:
        if key[0] == "f":
            values[int(key[1:])] = changes[key]
    packer = Packer()
    mti = changes.get("mti", row[1][:2] + str(int(row[1][2]) + 1) + "0")
    packer.begin(Setup.tpdu, b"\x60\x31" + bytes([changes.get("demand", 0)]) + b"\0\0\0", mti)
    for field in sorted(values):
        if field not in drop:
            packer.put(field, values[field])
    if mak is not None and message.has(64):
        return bytes(packer.end(lambda data: security.mac_cup(mak, data)))
    return bytes(packer.end())


def rejected(function, *args):
    try:
        function(*args)
    except Rejected as error:
        return error.field
    raise AssertionError("believed")


# -- requests --------------------------------------------------------------------------------------


def test_what_each_request_carries():
    composer = Composer(Setup, Keys)
    for name, expected in (
        ("sign_on", [11, 41, 42, 60, 63]),
        ("sign_off", [11, 41, 42, 60, 63]),
        ("echo", [11, 41, 42, 60]),
        ("parameters", [11, 41, 42, 60]),
        ("status_query", [11, 41, 42, 60, 61, 64]),
        ("balance", [field for field in CARD if field != 4]),
        ("sale", CARD),
        ("void", sorted(CARD + VOID)),
        ("refund", sorted(CARD + REFUND)),
        ("sale_reversal", [2, 3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 64]),
        ("void_reversal", [2, 3, 4, 11, 22, 25, 38, 39, 41, 42, 49, 60, 61, 64]),
        ("settlement", [11, 41, 42, 48, 49, 60, 63]),
        ("batch_upload", [11, 41, 42, 48, 60]),
        ("batch_refund", [2, 3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63]),
        ("batch_end", [11, 41, 42, 48, 60]),
    ):
        assert fields(composer.build(name, sample()))[1] == expected, name


def test_a_reversal_carries_nothing_that_may_not_be_stored():
    composer = Composer(Setup, Keys)
    for name in ("sale_reversal", "void_reversal"):
        data = hexlify(composer.build(name, sample())).decode()
        assert "3012" not in data[:200].replace(PAN, "")
        _, found = fields(composer.build(name, sample()))
        for field in (14, 26, 35, 36, 37, 52, 53):
            assert field not in found


def test_values_of_a_sale():
    message, _ = fields(Composer(Setup, Keys).build("sale", sample()))
    assert message.mti == "0200"
    for field, value in (
        (2, PAN), (3, "000000"), (4, "000000012345"), (11, "000017"), (22, "021"), (25, "00"),
        (26, "12"), (35, PAN + "=30121011234567"), (53, "2600000000000000"),
        (60, "22" + "000003" + "000" + "2" + "0" + "1" + "000"),
    ):
        assert message.digits(field) == value, field
    assert message.text(41) == "00000001" and message.text(42) == "123456789012345"
    assert message.text(49) == "156"
    assert bytes(message.raw(52)) == b"\x2a\x08\x4c\x60\x49\x73\xd4\xae"
    assert bytes(message.raw(64)) == security.mac_cup(MAK, message.body())


def test_without_pin_and_by_hand():
    txn = sample()
    txn.pin_block = None
    txn.track2 = ""
    txn.entry = "012"
    message, found = fields(Composer(Setup, Keys).build("sale", txn))
    assert found == [2, 3, 4, 11, 14, 22, 25, 41, 42, 49, 60, 64]
    assert message.digits(14) == "3012" and message.digits(22) == "012"


def test_single_keys_say_so():
    class Single:
        pik = bytes(8)
        mak = MAK

    message, _ = fields(Composer(Setup, Single).build("sale", sample()))
    assert message.digits(53) == "2000000000000000"


def test_fallback_is_told_in_field_60():
    txn = sample()
    txn.entry = "801"
    message, _ = fields(Composer(Setup, Keys).build("sale", txn))
    assert message.digits(60) == "22000003000" + "221000"


def test_entry_mode_and_pin_must_agree():
    txn = sample()
    for entry, block in (("021", None), ("022", bytes(8))):
        txn.entry = entry
        txn.pin_block = block
        try:
            Composer(Setup, Keys).build("sale", txn)
        except BadMessage as error:
            assert error.field == 22
            continue
        raise AssertionError(entry)
    # From the journal there is no PIN block any more, and the entry mode stays what it was.
    txn.entry = "021"
    txn.pin_block = None
    message, _ = fields(Composer(Setup, Keys).build("sale_reversal", txn))
    assert message.digits(22) == "021"


def test_what_void_refund_and_reversals_say_about_the_original():
    composer = Composer(Setup, Keys)
    message, _ = fields(composer.build("void", sample()))
    assert message.digits(61) == "000003000012" and message.text(37) == "112233445566"
    assert message.text(38) == "654321"
    assert message.digits(60) == "23000003000200000"
    txn = sample()
    txn.original_trace = txn.original_batch = 0
    message, _ = fields(composer.build("refund", txn))
    assert message.digits(61) == "0000000000001121" and bytes(message.raw(63)) == b"000"
    message, _ = fields(composer.build("sale_reversal", sample()))
    assert message.digits(11) == "000017" and message.text(39) == "98"
    assert message.text(38) == "123456" and not message.has(61)
    message, _ = fields(composer.build("void_reversal", sample()))
    # The void's own batch and trace, and the authorisation code the void carried.
    assert message.digits(61) == "000003000017" and message.text(38) == "654321"
    message, _ = fields(composer.build("status_query", sample()))
    assert message.digits(61) == "000003000012" and message.digits(60) == "00000003364"


def test_an_unknown_reference_number_is_twelve_zeros():
    txn = sample()
    txn.original_rrn = txn.original_auth = ""
    message, found = fields(Composer(Setup, Keys).build("void", txn))
    assert message.text(37) == "000000000000" and 38 not in found


def test_settlement_messages():
    composer = Composer(Setup, Keys)
    message, _ = fields(composer.build("settlement", sample()))
    assert message.digits(48) == "000000123456007" + "000000003456002" + "0" + "0" * 31
    assert message.digits(60) == "00000003201" and bytes(message.raw(63)) == b"01 "
    message, _ = fields(composer.build("batch_upload", sample()))
    detail = "00" + "000017" + "0" + PAN + "000000012345"
    assert message.digits(48) == "08" + detail * 8
    txn = sample()
    message, _ = fields(composer.build("batch_end", txn))
    assert message.digits(48) == "0500" and message.digits(60) == "00000003202"
    txn.balanced = True
    message, _ = fields(composer.build("batch_end", txn))
    assert message.digits(60) == "00000003207"
    message, _ = fields(composer.build("batch_refund", sample(tx.REFUND)))
    assert message.mti == "0320" and message.digits(60)[:2] == "25"


def test_what_is_missing_is_named():
    composer = Composer(Setup, Keys)
    for name, attribute, value, field in (
        ("sale", "pan", "", 2), ("sale", "amount", 0, 4), ("sale", "trace", 0, 11),
        ("sale_reversal", "reason", "", 39), ("refund", "original_date", "", 61),
        ("void", "original_trace", 0, 61), ("batch_upload", "packet", [], 48),
        ("batch_upload", "packet", [sample()] * 9, 48), ("sale", "amount", 10 ** 12, 4),
        ("sale", "trace", 1000000, 11), ("status_query", "original_trace", 0, 61),
    ):
        txn = sample()
        setattr(txn, attribute, value)
        try:
            composer.build(name, txn)
        except BadMessage as error:
            assert error.field == field, (name, attribute, error.field)
            continue
        raise AssertionError((name, attribute))
    try:
        composer.build("nonsense", sample())
    except KeyError:
        return
    raise AssertionError("built")


def test_an_echo_needs_no_trace():
    txn = tx.Transaction(0)
    txn.batch = 3
    message, _ = fields(Composer(Setup, Keys).build("echo", txn))
    assert message.digits(11) == "000000"


# -- replies ---------------------------------------------------------------------------------------


def test_an_approval_goes_into_the_transaction():
    composer = Composer(Setup, Keys)
    txn = sample()
    txn.auth = ""
    reply = composer.read("sale", txn, reply_to(
        composer, "sale", txn, demand=3, f32="48021000", f44=b"01020000   48021000   ",
        f63="CUP"))
    assert reply.code == txn.code == "00" and reply.demand == 3
    assert txn.rrn == "000000000777" and txn.auth == "777777"
    assert txn.host_time == "1122235958" and txn.settle_date == "1123"
    assert txn.institutions == b"01020000   48021000   " and txn.host_text == b"CUP"
    assert reply.acquirer == "48021000" and reply.amount == 12345
    assert txn.approved_amount is None


def test_a_balance():
    composer = Composer(Setup, Keys)
    txn = sample(tx.BALANCE)
    data = reply_to(composer, "balance", txn, f54=b"1002156C000000123456")
    assert composer.read("balance", txn, data).balance == 123456 and txn.balance == 123456
    assert txn.currency == "156"
    data = reply_to(composer, "balance", txn, f54=b"1002156D000000000150")
    assert composer.read("balance", txn, data).balance == -150
    for wrong in (b"1002156X000000000150", b"1002156C00000000015", b"1002156C00000000015x"):
        try:
            composer.read("balance", txn, reply_to(composer, "balance", txn, f54=wrong))
        except BadMessage as error:
            assert error.field == 54
            continue
        raise AssertionError(wrong)


def test_every_field_that_must_be_repeated_is_checked():
    composer = Composer(Setup, Keys)
    for name in ("sale", "void", "refund", "sale_reversal", "void_reversal"):
        for change in (
            {"mti": "0200"}, {"mti": "0810"}, {"f3": "310000"}, {"f11": "000018"},
            {"f41": "00000002"}, {"f42": "123456789012346"}, {"f4": "000000012346"},
        ):
            txn = sample()
            data = reply_to(composer, name, txn, **change)
            key = next(iter(change))
            expected = 0 if key == "mti" else int(key[1:])
            assert rejected(composer.read, name, txn, data) == expected, (name, change)
        for field in (3, 11, 41, 42, 4, 39):
            txn = sample()
            data = reply_to(composer, name, txn, drop=(field,))
            assert rejected(composer.read, name, txn, data) == field, (name, field)


def test_a_rejected_reply_leaves_nothing_behind():
    composer = Composer(Setup, Keys)
    txn = sample()
    txn.auth = ""
    data = reply_to(composer, "sale", txn, f11="000018")
    assert rejected(composer.read, "sale", txn, data) == 11
    assert txn.code == "" and txn.rrn == "" and txn.auth == "" and txn.host_time == ""


def test_the_first_difference_in_order_is_named():
    composer = Composer(Setup, Keys)
    txn = sample()
    data = reply_to(composer, "sale", txn, mak=bytes(8), f3="310000", f11="000018", f4="1")
    assert rejected(composer.read, "sale", txn, data) == 3
    data = reply_to(composer, "sale", txn, mak=bytes(8), f4="1")
    try:
        composer.read("sale", txn, data)
    except Rejected as error:
        assert (error.field, error.want, error.got) == (4, 12345, 1)
        assert str(error) == "F4: 12345 <> 1"
        return
    raise AssertionError("believed")


def test_a_refusal_need_not_repeat_the_amount_and_may_lack_the_mac():
    composer = Composer(Setup, Keys)
    txn = sample()
    data = reply_to(composer, "sale", txn, code="51", mak=None, drop=(4,))
    assert composer.read("sale", txn, data).code == "51" and txn.code == "51"


def test_a_wrong_mac_is_a_mac_error_whatever_the_code():
    composer = Composer(Setup, Keys)
    for code in ("00", "51"):
        txn = sample()
        txn.auth = ""
        data = reply_to(composer, "sale", txn, code=code, mak=bytes(8))
        try:
            composer.read("sale", txn, data)
        except BadMac as error:
            assert not error.missing
            # For the reversal, which repeats what a reply gave; nothing else of it is used.
            assert txn.auth == ("777777" if code == "00" else "")
            assert txn.code == "" and txn.rrn == ""
            continue
        raise AssertionError(code)


def test_an_approval_without_mac_is_a_mac_error():
    composer = Composer(Setup, Keys)
    for name in ("balance", "sale", "void", "refund", "sale_reversal", "void_reversal"):
        txn = sample()
        try:
            composer.read(name, txn, reply_to(composer, name, txn, mak=None))
        except BadMac as error:
            assert error.missing
            continue
        raise AssertionError(name)


def test_every_bit_of_an_approval_is_covered():
    composer = Composer(Setup, Keys)
    txn = sample()
    data = reply_to(composer, "sale", txn)
    believed = 0
    for at in range(11, len(data)):
        for bit in range(8):
            wrong = bytearray(data)
            wrong[at] ^= 1 << bit
            try:
                composer.read("sale", txn, wrong)
                believed += 1
            except (BadMessage, BadMac, Rejected):
                pass
    assert believed == 0


def test_partial_approval_of_a_sale_only():
    composer = Composer(Setup, Keys)
    txn = sample()
    data = reply_to(composer, "sale", txn, code="10", f4="000000010000")
    assert composer.read("sale", txn, data).amount == 10000
    assert txn.approved_amount == 10000 and txn.amount == 12345
    for amount in ("000000012346", "000000000000"):
        data = reply_to(composer, "sale", sample(), code="10", f4=amount)
        assert rejected(composer.read, "sale", sample(), data) == 4
    # Of anything else it is neither done nor refused: a void is reversed, a refund is unknown.
    for name, kind in (("void", tx.VOID), ("refund", tx.REFUND), ("balance", tx.BALANCE)):
        txn = sample(kind)
        data = reply_to(composer, name, txn, code="10", f4="000000010000")
        assert rejected(composer.read, name, txn, data) == 39 and txn.code == ""


def test_replies_about_a_transaction_do_not_overwrite_it():
    composer = Composer(Setup, Keys)
    for name in ("sale_reversal", "void_reversal", "status_query", "batch_refund"):
        txn = sample()
        txn.rrn, txn.code = "111111111111", "00"
        reply = composer.read(name, txn, reply_to(composer, name, txn, code="25"))
        assert reply.code == "25" and reply.rrn == "000000000777"
        assert txn.rrn == "111111111111" and txn.code == "00" and txn.auth == "123456"


def test_sign_on_brings_keys_batch_and_time():
    composer = Composer(Setup, Keys)
    txn = sample(0)
    data = reply_to(composer, "sign_on", txn, f60="00000123003", f62=bytes(range(40)))
    reply = composer.read("sign_on", txn, data)
    assert reply.keys == bytes(range(40)) and reply.batch == 123
    assert reply.host_time == "1122235958" and txn.code == ""
    reply = composer.read("sign_on", txn, reply_to(composer, "sign_on", txn, code="97"))
    assert reply.code == "97" and reply.keys == b"" and reply.batch == 0


def test_parameters_and_echo_do_not_mind_the_trace():
    composer = Composer(Setup, Keys)
    for name in ("echo", "parameters"):
        txn = sample(0)
        reply = composer.read(name, txn, reply_to(
            composer, name, txn, f11="000099", f62=b"1160"))
        assert reply.parameters == (b"1160" if name == "parameters" else b"")


def test_the_verdict_of_a_settlement():
    composer = Composer(Setup, Keys)
    for domestic, foreign, verdict in (("1", "0", 1), ("1", "1", 1), ("2", "1", 2), ("1", "2", 2),
                                       ("3", "1", 3), ("2", "3", 3)):
        txn = sample(0)
        digits = "1" * 30 + domestic + "0" * 30 + foreign
        reply = composer.read("settlement", txn, reply_to(
            composer, "settlement", txn, code="", f48=digits))
        assert reply.verdict == verdict and reply.totals == digits
    for digits in ("1" * 30 + "0" + "0" * 31, "1" * 30 + "4" + "0" * 31, "1" * 61 + "4"):
        txn = sample(0)
        data = reply_to(composer, "settlement", txn, code="", f48=digits)
        assert rejected(composer.read, "settlement", txn, data) == 48
    try:
        composer.read("settlement", txn, reply_to(composer, "settlement", txn, code="", f48="1"))
    except BadMessage as error:
        assert error.field == 48
        return
    raise AssertionError("believed")


def test_mutated_replies_are_refused_by_name():
    composer = Composer(Setup, Keys)
    txn = sample()
    data = reply_to(composer, "sale", txn, f63="CUP")
    state = 4242
    for _ in range(4000):
        wrong = bytearray(data)
        state = (state * 48271) % 2147483647
        for _ in range(1 + state % 3):
            state = (state * 48271) % 2147483647
            wrong[state % len(wrong)] = (state >> 11) & 0xFF
        if state & 2048:
            wrong = wrong[: state % len(wrong)]
        try:
            composer.read("sale", txn, wrong)
        except (BadMessage, BadMac, Rejected):
            continue
        # Only what lies outside of the MAC may have changed: TPDU and header.
        assert wrong[11:] == data[11:] or txn.code not in ("00", "10", "11", "A2")


def test_parameters_are_read_by_their_tags():
    data = b"1160" + b"1230" + b"133" + b"22" + b"\xc9\xcc" * 20 + b"26" + b"\x87\x00\xff\x00"
    assert parameters.read(data) == [
        ("11", b"60"), ("12", b"30"), ("13", b"3"), ("22", b"\xc9\xcc" * 20),
        ("26", b"\x87\x00\xff\x00"),
    ]
    assert parameters.read(b"") == []
    for wrong, reason in (
        (b"1", "short"), (b"116", "length"), (b"11", "length"), (b"9960", "unknown"),
        (b"\xff\xfe60", "unknown"), (b"1160" + b"22x", "length"),
    ):
        try:
            parameters.read(wrong)
        except BadMessage as error:
            assert (error.field, error.reason) == (62, reason), wrong
            continue
        raise AssertionError(wrong)


def test_what_cannot_be_followed_up_is_found_before_it_is_begun():
    composer = Composer(Setup(), Keys())
    for kind in (tx.SALE, tx.VOID, tx.REFUND, tx.BALANCE):
        txn = sample(kind)
        txn.reason = ""
        composer.rehearse(txn)
        assert txn.reason == ""
        for pan in ("", "622202123456", "6" * 20):
            txn = sample(kind)
            txn.pan = pan
            txn.track2 = pan
            try:
                composer.rehearse(txn)
            except BadMessage as error:
                assert error.field == 2
            else:
                raise AssertionError((kind, pan))
    txn = sample(tx.REFUND)
    txn.original_date = ""
    try:
        composer.rehearse(txn)
    except BadMessage as error:
        assert error.field == 61
    else:
        raise AssertionError("a refund without a date could not be uploaded")
