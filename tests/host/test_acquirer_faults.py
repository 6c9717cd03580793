"""Faults on purpose: rules, personalities, magic amounts, rules from files, the trace."""

import json
import sys

import pytest

from host_tools.acquirer import Rule, RuleError
from host_tools.acquirer.codec import decode
from host_tools.acquirer.config import ConfigError, load
from host_tools.acquirer.rules import (
    LATE,
    amounts_table,
    magic,
    personalities,
    read_file,
    rules_in,
)
from tests.host.acquirer_kit import CARDS, GOOD, Bank


def good_mac(bank, raw) -> bool:
    request = decode(raw)
    given = request.get("64")
    return bool(given) and bytes.fromhex(given) == bank.pos.keys.mac(request.body[:-8])


# Which message


def test_a_rule_hits_the_nth_match_so_many_times():
    bank = Bank()
    bank.host.rule("sale", nth=2, times=2, code="05")
    codes = [bank.code(message) for message in (
        bank.pos.sale(1), bank.pos.balance(), bank.pos.sale(1), bank.pos.sale(1),
        bank.pos.sale(1))]
    assert codes == ["00", "00", "05", "05", "00"]
    assert not bank.host.rules, "a spent rule is gone"


def test_rules_by_group_terminal_and_amount():
    bank = Bank()
    other = bank.terminal("00000002")
    bank.host.rule("financial", terminal="00000002", code="05", times=None)
    bank.host.rule("sale", amount=77, code="13", times=None)
    assert bank.code(bank.pos.sale(1)) == "00" and bank.code(other.sale(1)) == "05"
    assert bank.code(other.balance()) == "05"
    assert bank.code(bank.pos.sale(77)) == "13" and bank.code(other.sale(77)) == "05"
    assert bank.code(bank.pos.manage("0820", "301")) == "00"
    bank.host.clear_rules()
    assert bank.code(other.sale(77)) == "00"


def test_without_a_match_any_message_is_hit():
    bank = Bank()
    bank.host.rule(code="96", times=None)
    assert bank.code(bank.pos.manage("0820", "301")) == "96"
    assert bank.code(bank.pos.sign_on()) == "96"
    assert bank.code(bank.pos.sale(1)) == "96"
    assert bank.send(bank.pos.settle(0, 0, 0, 0)).get("39") == "96"


@pytest.mark.parametrize("parts", [
    {"match": "sail"}, {"nth": 0}, {"times": 0}, {"code": "5"}, {"code": "5!"}, {"demand": 10},
    {"delay": -1}, {"verdict": "4"}, {"wrong_field": (4, "12")}, {"wrong_field": (0, "0")},
    {"wrong_field": (99, "x")}, {"wrong_field": (7, "x")}, {"wrong_field": (64, "00" * 8)}])
def test_senseless_rules_are_refused_with_the_choices(parts):
    with pytest.raises(RuleError):
        Rule(**parts)


# What goes wrong


def test_a_refusal_by_rule_books_nothing_and_stays_with_the_trace():
    bank = Bank()
    bank.host.rule("sale", code="91")
    message = bank.pos.sale(100)
    assert [bank.code(message) for _ in range(2)] == ["91", "91"]
    assert bank.states() == [("sale", "declined")]
    assert "rule" in bank.why() or "same answer" in bank.why()


@pytest.mark.parametrize("code", ["11", "A2"])
def test_a_rule_may_choose_the_kind_of_approval(code):
    bank = Bank()
    bank.host.rule("sale", code=code)
    assert bank.code(bank.pos.sale(100)) == code
    assert bank.states() == [("sale", "approved")] and bank.ledger().balance("merchant") == 100
    bank.host.rule("sale", code=code)
    assert bank.code(bank.pos.sale(100, CARDS["empty"])) == "51", "but not approve by force"


def test_a_partial_approval_books_the_part():
    bank = Bank()
    bank.host.rule("sale", partial=60)
    answer = bank.send(bank.pos.sale(100))
    sale = bank.pos.last
    assert answer.get("39") == "10" and answer.get("4") == "000000000060"
    assert bank.ledger().balance("merchant") == 60
    assert bank.code(bank.pos.reversal(sale)) == "00", "with the amount that was asked for"
    assert bank.ledger().balance("merchant") == 0


def test_a_request_that_is_not_seen_leaves_nothing():
    bank = Bank()
    bank.host.rule("sale", drop_request=True)
    message = bank.pos.sale(100)
    assert bank.send(message) is None and "not seen" in bank.why()
    assert not bank.ledger().transactions
    assert bank.code(message) == "00", "the network repeats it, now it is seen"


def test_an_answer_that_is_dropped_is_booked():
    bank = Bank()
    bank.host.rule("sale", drop=True)
    message = bank.pos.sale(100)
    assert bank.send(message) is None
    assert bank.ledger().balance("merchant") == 100
    assert bank.code(message) == "00" and bank.ledger().balance("merchant") == 100


def test_delay_cut_and_duplicate_are_told_to_the_driver():
    bank = Bank()
    bank.host.rule("sale", delay=45)
    (late,) = bank.host.handle(bank.pos.sale(100), bank.now)
    assert late.after_s == 45 and not late.cut_s and not late.rogue
    bank.host.rule("sale", cut=20)
    (cut,) = bank.host.handle(bank.pos.sale(100), bank.now)
    assert cut.cut_s == 20 and decode(cut.message).get("39") == "00"
    bank.host.rule("sale", duplicate=True, delay=1)
    first, again = bank.host.handle(bank.pos.sale(100), bank.now)
    assert first.message == again.message and 1 == first.after_s < again.after_s
    assert again.rogue and not first.rogue
    assert bank.ledger().balance("merchant") == 300


def test_wrong_and_missing_macs():
    bank = Bank()
    assert good_mac(bank, bank.host.handle(bank.pos.sale(1), bank.now)[0].message)
    bank.host.rule("sale", wrong_mac=True)
    raw = bank.host.handle(bank.pos.sale(1), bank.now)[0].message
    assert decode(raw).get("39") == "00" and not good_mac(bank, raw)
    bank.host.rule("sale", wrong_mac=True, times=60)  # whatever the MAC ends in
    assert not any(good_mac(bank, bank.host.handle(bank.pos.sale(1), bank.now)[0].message)
                   for _ in range(60))
    bank.host.rule("sale", no_mac=True)
    assert not decode(bank.host.handle(bank.pos.sale(1), bank.now)[0].message).get("64")


@pytest.mark.parametrize("number,value", [
    (4, "000000000099"), (11, "000999"), (41, "99999999"), (42, "9" * 15), (3, "310000"),
    (39, "05"), (37, None), (0, "0230")])
def test_a_wrong_field_is_wrong_under_a_good_mac(number, value):
    bank = Bank()
    bank.host.rule("sale", wrong_field=(number, value))
    raw = bank.host.handle(bank.pos.sale(1), bank.now)[0].message
    assert good_mac(bank, raw), "only the field is wrong, not the MAC"
    assert decode(raw).get("t" if number == 0 else str(number)) == (value or "")


def test_garbled_answers_are_the_same_for_the_same_seed():
    def garbled():
        bank = Bank()
        bank.host.rule("sale", garble=True)
        message = bank.pos.sale(1)
        return bank.host.handle(message, bank.now)[0].message, bank

    (first, bank), (second, _) = garbled(), garbled()
    assert first == second
    clean = bank.host.handle(bank.pos.last.message, bank.now)[0].message
    assert len(clean) == len(first) and clean != first and clean[:11] == first[:11]


def test_the_processing_demand_can_be_set_once_and_for_all():
    bank = Bank()
    bank.host.rule("sale", demand=3)
    demands = [bank.host.handle(bank.pos.sale(1), bank.now)[0].message[7] & 15 for _ in range(2)]
    assert demands == [3, 0]
    bank.host.demand = 8
    assert bank.host.handle(bank.pos.manage("0820", "301"), bank.now)[0].message[7] & 15 == 8


def test_a_settlement_can_be_answered_wrongly():
    bank = Bank()
    bank.host.rule("settlement", verdict="2")
    digits = bank.send(bank.pos.settle(0, 0, 0, 0)).get("48")
    assert digits[30] + digits[61] == "22"
    bank.host.rule("settlement", verdict="31")
    digits = bank.send(bank.pos.settle(0, 0, 0, 0)).get("48")
    assert digits[30] + digits[61] == "31"


def test_an_approval_after_the_reversal_leaves_the_books_right():
    bank = Bank()
    bank.host.rule("sale", approve_after_reversal=True)
    assert bank.answers(bank.pos.sale(100)) == []
    sale = bank.pos.last
    answers = bank.host.handle(bank.pos.reversal(sale), bank.now)
    undone, late = (decode(answer.message) for answer in answers)
    assert (undone.mti, undone.get("39")) == ("0410", "00")
    assert (late.mti, late.get("39"), late.trace) == ("0210", "00", sale.trace)
    assert answers[1].rogue and answers[1].after_s > answers[0].after_s
    assert bank.ledger().balance("merchant") == 0
    assert len(bank.answers(bank.pos.reversal(sale))) == 1, "once"


def test_answers_are_not_held_back_without_end(monkeypatch):
    from host_tools.acquirer import host

    monkeypatch.setattr(host, "_HELD", 2)
    bank = Bank()
    bank.host.rule("sale", approve_after_reversal=True, times=None)
    sales = []
    for _ in range(3):
        bank.host.handle(bank.pos.sale(1), bank.now)
        sales.append(bank.pos.last)
    assert [len(bank.answers(bank.pos.reversal(sale))) for sale in sales] == [1, 2, 2]


# Characters


@pytest.mark.parametrize("name", [name for name, _ in personalities()])
def test_every_personality_keeps_its_books_straight(name):
    bank = Bank()
    bank.host.personality(name)
    for _ in range(3):
        bank.host.handle(bank.pos.sale(100), bank.now)
    sale = bank.pos.last
    bank.host.handle(bank.pos.reversal(sale), bank.now)
    bank.host.handle(bank.pos.settle(200, 2, 0, 0), bank.now)
    assert bank.ledger().balance("merchant") == 200
    bank.host.personality("honest")
    bank.sold(1)


def test_what_personalities_do():
    bank = Bank()
    sale = bank.pos.sale

    def answers(name):
        bank.host.personality(name)
        return bank.host.handle(sale(1), bank.now)

    assert answers("late")[0].after_s == LATE > 60
    assert len(answers("duplicate")) == 2
    assert decode(answers("wrong-trace")[0].message).trace != bank.pos.last.trace
    assert not good_mac(bank, answers("bad-mac")[0].message)
    assert not decode(answers("no-mac")[0].message).get("64")
    assert answers("silent") == [] == answers("approves-after-reversal")
    bank.host.personality("settles-wrong")
    assert bank.send(bank.pos.settle(7, 7, 0, 0)).get("48")[30] == "2"
    bank.host.clear_rules()
    bank.sold(1)
    with pytest.raises(RuleError, match="honest, late"):
        bank.host.personality("charming")


def test_a_rule_goes_before_the_personality():
    bank = Bank()
    bank.host.personality("silent")
    bank.host.rule("sale", code="05")
    assert bank.code(bank.pos.sale(1)) == "05"
    assert bank.send(bank.pos.sale(1)) is None


# Magic amounts


def test_magic_amounts_are_off_unless_switched_on():
    assert Bank().code(Bank().pos.sale(10_51)) != "51"
    bank = Bank(amounts=True)
    assert bank.code(bank.pos.sale(10_51)) == "51"
    assert bank.code(bank.pos.sale(10_00)) == "00"


def test_every_magic_amount_does_what_the_table_says():
    rows = [line.split("|")[1:3] for line in amounts_table().splitlines()[2:]]
    table = {int(tail.strip().lstrip(".")): text.strip() for tail, text in rows}
    assert len(table) == len(rows) > 40
    for tail, told in table.items():
        bank = Bank(amounts=True)
        message = bank.pos.sale(1000 + tail)
        sale = bank.pos.last
        answers = bank.host.handle(message, bank.now)
        booked = bank.ledger().balance("merchant")
        if told.startswith("declined with "):
            code = told[14:16]
            assert decode(answers[0].message).get("39") == code
            assert booked == 0, told
        elif "lost before the host" in told:
            assert not answers and not booked
        elif "in part" in told:
            assert booked == (1000 + tail) // 2
            assert decode(answers[0].message).get("39") == "10"
        else:
            assert booked == 1000 + tail, told
        if "gets lost" in told or "right after the reversal" in told:
            assert not answers
        if "reversal" in told:
            assert len(bank.answers(bank.pos.reversal(sale))) == 2
        if " s" in told and "after " in told and "reversal" not in told:
            assert answers[0].after_s == float(told.split("after ")[1].split(" s")[0])
        if "cut" in told:
            assert answers[0].cut_s == 20
        if "twice" in told:
            assert len(answers) == 2
        if "MAC is wrong" in told or "no MAC" in told:
            assert not good_mac(bank, answers[0].message)
        if "damaged" in told:
            assert answers[0].message != bank.host.handle(message, bank.now)[0].message


def test_ordinary_amounts_are_ordinary():
    for amount in (100, 8_88, 9_99, 6_66, 19_95, 50, 12_30, 10_00):
        assert magic("sale", amount) is None
    assert magic("void", 10_51) is None and magic("balance", 51) is None


# Files


TOML = """
[[rule]]
match = "sale"
nth = 2
code = "51"

[[rule]]
match = "reversal"
times = 0
drop = true

[[rule]]
match = "sale"
wrong_field = [37]

[[terminal]]
terminal = "00000007"
tmk = "000102030405060708090A0B0C0D0E0F"
name = "小店"

[[card]]
name = "mine"
pan = "6222021234567890508"
balance = 5

[policy]
fee_bp = 60
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_a_configuration_from_toml(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(TOML, encoding="utf-8")
    config = load(path)
    assert [(rule.match, rule.times) for rule in config.rules] == [
        ("sale", 1), ("reversal", None), ("sale", 1)]
    assert config.rules[2].wrong_field == (37, None)
    assert config.terminals[0].terminal == "00000007" and config.policy.fee_bp == 60
    assert config.cards[0].balance == 5
    bank = Bank()
    bank.host.add_cards(config.cards)
    assert bank.code(bank.pos.sale(6, config.cards[0])) == "51"


def test_a_configuration_from_json(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps([{"match": "sale", "delay": 2, "wrong_field": [11, "000001"]}]))
    (rule,) = load(path).rules
    assert rule.delay == 2 and rule.wrong_field == (11, "000001")


@pytest.mark.parametrize("text,complaint", [
    ("{", "Expecting"), ('{"rules": []}', "unknown part rules"),
    ('[{"match": "sale", "colour": 1}]', "rule 1: unknown part colour"),
    ('[{}, {"match": "sail"}]', "rule 2: match 'sail'"),
    ('[{"wrong_field": 5}]', "wrong_field is"), ('[{"delay": "x"}]', "rule 1"),
    ('{"terminal": [{"tmk": "00"}]}', "terminal 1: terminal is missing"),
    ('{"terminal": [{"terminal": "00000001", "tmk": "xyz"}]}', "32 hex digits"),
    ('{"card": [{"name": "x", "pan": "6225880137706868"}]}', "no test card"),
    ('{"card": [{"name": "x"}]}', "name and pan"),
    ('{"policy": {"fee": 1}}', "unknown part fee"),
])
def test_a_wrong_configuration_says_where_and_what(tmp_path, text, complaint):
    path = tmp_path / "host.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint) as error:
        load(path)
    assert "host.json" in str(error.value)
    assert "6225880137706868" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RuleError, match=r"nowhere\.json"):
        read_file(tmp_path / "nowhere.json")
    assert rules_in({}, "x") == []


# Trace


def test_the_trace_is_a_ring_and_counts_on():
    bank = Bank(trace_limit=10)
    for _ in range(20):
        bank.send(bank.pos.manage("0820", "301"))
    assert len(bank.host.trace) == 10 and bank.host.trace.count == 42
    assert bank.host.trace[-1].fields["11"] == "000021"


def test_the_trace_reads_as_text():
    bank = Bank()
    bank.host.rule("sale", nth=2, wrong_mac=True)
    bank.send(bank.pos.sale(100, pin="999999"))
    bank.send(bank.pos.sale(100))
    asked, answered, _, spoiled = list(bank.host.trace)[-4:]
    assert str(asked) == (
        "09:00:00 00000001 > 0200 sale trace 000002: 55: wrong PIN, tries left: 2")
    assert str(answered) == "09:00:00 00000001 < 0210 sale trace 000002 code 55"
    assert spoiled.verdict == "wrong_mac"
    text = bank.host.trace_text()
    assert " 2 card number          622202*********0128" in text and GOOD.pan not in text
    assert "tries left: 2" in bank.host.trace_text(details=False)
