"""Every text with words of money makes a claim, or is listed as speaking of no outcome."""

import re

import pytest

from host_tools.bench import claims, texts
from host_tools.bench.oracle import outcome
from host_tools.evidence import page as evidence
from host_tools.journal import words as journal
from mobi.acquiring import codes
from mobi.ui import strings

# A sentence with one of these may say what became of money.
ZH = re.compile("款|扣|退|撤|冲正|入账|记账|付|成功|未发|没有发送|办成|对账|批准|拒绝|结清|结算|"
                + "未知|可能|勿重")
EN = re.compile(r"money|charg|\bpaid|\bpay\b|refund|void|approv|book|revers|\bsent\b|declin|refus|"
                + r"settle|totals|stands|\bdone\b|unknown|maybe|given back|gets? it back|repeat",
                re.IGNORECASE)
SILENT = {name: reason for reason, names in claims.SILENT.items() for name in names}


def speaks_of_money(zh, en):
    return ZH.search(zh) or EN.search(en)


def test_every_text_that_speaks_of_money_makes_a_claim_or_is_listed():
    missing = [f"{name}: {zh!r} / {en!r}" for name, zh, en in strings.TABLE
               if speaks_of_money(zh, en) and not name.startswith(("p_", "unit_"))
               and name not in claims.TEXTS and name not in SILENT]
    assert not missing, (
        "these texts have words of money: say in host_tools/bench/claims.py what they claim "
        + "(TEXTS), or why they say nothing of a transaction's outcome (SILENT):\n"
        + "\n".join(missing))


def test_every_advice_that_speaks_of_money_makes_a_claim():
    missing = []
    for name, row in texts.advice().items():
        made = claims.ADVICE.get(name, ("", ""))
        for claim, zh, en in zip(made, row[::2], row[1::2], strict=True):
            if speaks_of_money(zh, en) and not claim and name not in claims.SILENT_ADVICE:
                missing.append(f"{name}: {zh!r} / {en!r}")
    assert not missing, (
        "these sentences of firmware/mobi/acquiring/codes.py have words of money: say in "
        + "host_tools/bench/claims.py what they claim (ADVICE), or why nothing (SILENT_ADVICE):\n"
        + "\n".join(missing))


def test_every_code_that_means_an_outcome_makes_a_claim():
    for code, letter, *_ in codes.TABLE:
        assert (claims.CODES.get(code) == claims.DONE) == (letter == codes.APPROVED), code


def test_the_table_names_only_what_there_is():
    assert not [name for name in [*claims.TEXTS, *SILENT] if name not in texts.strings()]
    assert not set(claims.TEXTS) & set(SILENT)
    assert not [name for name in [*claims.ADVICE, *claims.SILENT_ADVICE]
                if name not in texts.advice()]
    assert not [code for code in claims.CODES if code not in texts.codes()]
    made = [*claims.TEXTS.values(), *claims.CODES.values(), *claims.HOST.values(),
            *(claim for pair in claims.ADVICE.values() for claim in pair if claim)]
    assert set(made) <= set(claims.CLAIMS)


def test_what_is_read_from_the_source_is_what_the_firmware_has():
    assert texts.strings() == {name: (zh, en) for name, zh, en in strings.TABLE}
    assert texts.codes()["51"] == ("余额不足", "Too little funds")
    assert texts.advice()["LINE"] == codes.ADVICE[codes.LINE][:4]
    assert all(texts.advice()[name] == codes.ADVICE[getattr(codes, name)][:4]
               for name in texts.advice())


def test_equal_words_make_equal_claims():
    known = {}
    for text in texts.claiming():
        for number, words in enumerate(text.words):
            claim = known.setdefault((number, texts.bare(words)), text)
            assert claim.claim == text.claim, (claim, text)


def test_the_host_s_words_of_states_and_events_make_claims():
    for language in ("zh", "en"):
        for state in journal.STATES[language]:
            assert f"journal {state}" in claims.HOST, state
    for name in ("agree", "differ", "open", "no-host", "host-only", "no-journal"):
        assert f"evidence {name}" in claims.HOST and name in evidence._TEXTS


@pytest.mark.parametrize("words", [
    "没有扣款,可再付一次", "款项退回原卡,约3-5个工作日,以发卡行为准",
    "Settle it with the bank by slip", "已批准",
])
def test_the_search_for_words_of_money_finds_them(words):
    assert speaks_of_money(words, words)


def test_a_text_is_found_however_it_is_broken():
    def found(*rows):
        return {text.name for text in texts.found_in(rows)}

    assert "tell_nothing" in found("没有扣款,可再付", "一次", "")
    assert "there_void_unsure" in found("告知:", "Maybe voided,", "maybe not")
    assert "sale_stands" in found("Sale 000012", "stands: void it", "")
    assert not found("Not voided: the", "bus leaves", "")
    # What is part of a longer sentence is that sentence.
    assert "there_voided" not in found("Not voided: the", "sale stands", "")


@pytest.mark.parametrize(("claim", "kind", "state", "sale", "refunded", "true"), [
    (claims.NOT_CHARGED, "sale", "approved", "approved", 0, False),
    (claims.NOT_CHARGED, "sale", "reversed", "reversed", 0, False),
    (claims.NOT_CHARGED, "sale", "declined", "declined", 0, True),
    (claims.NOT_CHARGED, "sale", "nothing of it", "", 0, True),
    (claims.NOT_CHARGED, "void", "nothing of it", "approved", 0, False),
    (claims.CHARGED, "sale", "settled", "settled", 0, True),
    (claims.CHARGED, "sale", "voided", "voided", 0, False),
    (claims.TAKEN_BACK, "sale", "reversed", "reversed", 0, True),
    (claims.TAKEN_BACK, "sale", "nothing of it", "", 0, False),
    (claims.GONE, "sale", "nothing of it", "", 0, True),
    (claims.GONE, "void", "approved", "voided", 0, False),
    (claims.VOIDED, "void", "approved", "voided", 0, True),
    (claims.VOIDED, "sale", "approved", "approved", 0, False),
    (claims.STANDS, "void", "declined", "approved", 0, True),
    (claims.STANDS, "void", "approved", "voided", 0, False),
    (claims.REFUNDED, "refund", "nothing of it", "", 0, False),
    (claims.REFUNDED, "sale", "refunded", "refunded", 100, True),
    (claims.NOT_REFUNDED, "refund", "settled", "", 0, False),
    (claims.NOT_MOVED, "refund", "approved", "", 0, False),
    (claims.NOT_MOVED, "void", "declined", "approved", 0, True),
    (claims.NOT_SENT, "sale", "declined", "declined", 0, False),
])
def test_what_makes_a_claim_true(claim, kind, state, sale, refunded, true):
    assert (outcome(claim, kind, state, sale, refunded) == "") == true
