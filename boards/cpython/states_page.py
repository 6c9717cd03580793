"""Prints docs/states.md from the firmware's own tables: states_page.py [--write | --check].

Without an option the page goes to the console. --check says whether the page is current.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "boards" / "cpython"), str(ROOT)]

from host_tools.bench import claims, texts  # noqa: E402 - the path must be set first
from mobi import transactions as tx  # noqa: E402
from mobi.acquiring import codes  # noqa: E402
from mobi.flows import guards, reasons, steps  # noqa: E402
from mobi.ui import strings  # noqa: E402

PAGE = ROOT / "docs" / "states.md"

HEAD = """\
# States of a transaction, and what may be done in each

Printed from the firmware's tables by `make states`; `make lint` checks that it is current. The
terminal's screens are made from the same tables: `firmware/mobi/transactions.py` (states and
events), `firmware/mobi/flows/steps.py` (meaning and steps), `firmware/mobi/acquiring/codes.py`
(causes and advice), `firmware/mobi/flows/guards.py` (what cannot be voided and why).

Where a person meets it: 未完成交易 Unfinished (key 5 of the menu) lists what is open; ENTER shows a
transaction with a page for each column of "What a state means", ENTER again its steps. The same
screens open by themselves right after a transaction that ended without an answer, and from any
record of 交易查询 Query. A step that is not possible is not offered; the last entry 为何没有其它
(Why not others) gives the reason for each.
"""

CHANGES = """\
Events lead from one to the next; any other pair of state and event is refused. Voided, refunded and
settled are no events: they follow from other records.
"""

VOIDS = """\
A void cannot be voided (%s), nor a refund (%s),
nor anything else that is no sale.
"""

MEANS = """\
What became of the money is told by the state of the transaction that is spoken of, never by the
code that came last: a query of yesterday's sale that finds no line says nothing about that sale.
Besides the states there are standings, which the code or the batch tells apart: **not begun**, no
byte has left (also when the line is found dead at the first byte); **declined, in doubt**, the code
says that it may have gone through (09, 68, 94, 98); **declined, original in doubt**, a void was
refused because of its sale (12, 22, 25, 64); **reversed, had been done**, the host closed the
reversal with 00, or a query with 22: the customer may hold a message of the bank; **unknown, batch
settled**, a refund without answer whose batch is closed.
"""

CODES = """\
Codes that begin with L are the terminal's own, for what no host has answered. A failure shows what
happened, what became of the money (the table above, by what the transaction is then) and what to
do; what to tell the customer; whose side the cause is on. The advice here is what to do next; for a
void, a refund or a balance it is the second one where there are two, and where no transaction is
meant (sign-on, settlement, or only the message about one has failed) the last. The customer is told
what stands here only of a sale that did not begin or was declined; otherwise the state says it. A
balance enquiry without an answer may be repeated.
"""

CLAIMS = """\
What a text says about a transaction's money is its claim (`host_tools/bench/claims.py`). A text
with words of money that makes none fails a test. Wherever the bench runs, the claims on every
screen and slip are compared with the acquirer's books and the journal at that moment
(`host_tools/bench/oracle.py`): in every sweep, storm and test.
"""

COMES_FROM = {
    tx.PENDING: "journalled before the first byte of the request leaves",
    tx.APPROVED: "the host's approval, or a late result that was accepted",
    tx.DECLINED: "the host's refusal",
    tx.REVERSAL_DUE: "no answer that can be trusted to a sale or a void; power lost meanwhile",
    tx.REVERSED: "the host closed the reversal with 00 or 25, or said it has nothing of it",
    tx.UNKNOWN: "no answer that can be trusted to a refund",
    tx.RELEASED: "the supervisor gave up on it, with a reason",
    tx.ABSENT: "certain that no money moved: never sent, or the host does not have it",
    tx.VOIDED: "an approved void names it",
    tx.REFUNDED: "approved refunds name it",
    tx.SETTLED: "its batch was settled",
    tx.UNPROVEN: "the host closed the reversal with 12, which proves nothing",
}
EVENTS = {
    tx.BEGIN: "begin", tx.APPROVE: "approve", tx.DECLINE: "decline", tx.REVERSE: "reverse",
    tx.ATTEMPT: "attempt", tx.UNDONE: "undone", tx.LOSE: "lose", tx.RELEASE: "release",
    tx.DROP: "drop", tx.PRINT: "print", tx.DOUBT: "doubt",
}
RETRY = {codes.NO: "no", codes.YES: "yes", codes.LOOK: "look first"}


def both(name):
    """A text in both languages, on one line each."""
    texts = [strings.lookup(name, language) for language in (0, 1)]
    return "<br>".join(text.replace("\n", " ") for text in texts)


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def states():
    """Every state: its names and where it comes from."""
    return table(("state", "on the panel", "unfinished", "comes from"), [
        (name, both("state_" + name),
         "yes" if tx.is_unfinished(state) else "listed" if tx.is_case(state) else "",
         COMES_FROM[state])
        for state, name in tx.STATE_NAMES.items()])


def changes():
    """Which event leads from which state to which."""
    return table(("from", "event", "to"), [
        (tx.STATE_NAMES.get(state, "(nothing)"), EVENTS[event], tx.STATE_NAMES[after])
        for (state, event), after in tx.NEXT.items()])


def meaning():
    """What a state means, by kind."""
    rows = []
    for state, kind, here, there, safe, tell in steps.MEANING:
        others = any(row[0] == state and row[1] for row in steps.MEANING)
        kind = tx.KIND_NAMES.get(kind, "other" if others else "any")
        texts = [both(name) if name else "by the response code" for name in (safe, tell)]
        name = tx.STATE_NAMES.get(state) or steps.STANDINGS[state]
        rows.append((name, kind, both(here), both(there), *texts))
    return table(("state", "kind", "known here 本机所知", "at the host 主机情况",
                  "what is safe 现在应做", "tell the customer 告知顾客"), rows)


def offered():
    """Which step is for which state, and what the terminal says otherwise."""
    rows = []
    for step, wanted, why in steps.TABLE:
        names = [tx.STATE_NAMES[state] for state in wanted]
        if len(names) == len(tx.STATE_NAMES):
            names = ["every state"]
        also = [both(text).replace("<br>", " ") for name, _, text in steps.CONDITIONS
                if name == step and text]
        given = [stands.__name__ for name, stands, text in steps.CONDITIONS
                 if name == step and not text]
        also += [BY_FUNCTION[name] for name in given]
        rows.append((both(step), ", ".join(names), both(why) if why else "", "; ".join(also)))
    return table(("step", "offered in", "in another state it says", "or, if it is in the way"),
                 rows)


# Conditions whose text depends on the transaction: what they say.
BY_FUNCTION = {
    "_no_void": "why it cannot be voided (below), or 已过撤销时限 after the merchant's time",
    "_no_repeat": "why no transaction can begin now: 请先签到, 结算未完成, 存储满, 冲正未成功",
    "_never_paid": "本机没有成功结果, 该交易已撤销",
    "_look_first": "what the response code says, where that is to look first",
}


def voids():
    """Why a transaction in a state cannot be voided."""
    return table(("state of the sale", "the void is refused with"), [
        (tx.STATE_NAMES[state], both(name)) for state, name in guards.NOT_VOIDABLE.items()])


def given_reasons():
    """The lists of reasons."""
    lists = (("void", reasons.VOID), ("refund", reasons.REFUND), ("release", reasons.RELEASE),
             ("comparison", reasons.COMPARE))
    rows = [(what, str(number), both(name)) for what, entries in lists for number, name in entries]
    rows.append(("any", "10 to 999999", both("reason_number")))
    return table(("of a", "number", "reason"), rows)


def causes():
    """The cause groups and how many codes belong to each."""
    rows = []
    for number, (zh, en) in enumerate(codes.GROUPS):
        members = [row[0] for row in codes.TABLE if row[4] == number]
        rows.append((zh or "-", en or "(approved)", " ".join(members)))
    return table(("原因在", "cause", "codes"), rows)


def advised(which, language):
    """What the operator is told by a row of the advice, in each role, each once."""
    row = codes.ADVICE[which]
    found = [row[language]]
    for other in row[4:]:
        if codes.ADVICE[other][language] not in found:
            found.append(codes.ADVICE[other][language])
    return " / ".join(found)


def response_codes():
    """Every code with its advice."""
    rows = []
    unknown = ("other", *codes.find("")[1:])
    for code, letter, zh, en, _, retry, advice in (*codes.TABLE, unknown):
        rows.append((code, letter, "%s<br>%s" % (zh, en), RETRY[retry],
                     "%s<br>%s" % (advised(advice, 0), advised(advice, 1)),
                     "%s<br>%s" % codes.ADVICE[advice][2:4]))
    return table(("code", "class", "what happened", "same again?", "the operator is told",
                  "the customer is told"), rows)


def one_line(words):
    """Words in one line of a table."""
    return words.replace("\n", " ")


def what_claims_mean():
    """Every claim, and what has to hold for it."""
    return table(("claim", "what a person takes from it", "what has to hold"), [
        (name, *row) for name, row in claims.CLAIMS.items()])


def claiming_texts():
    """Every text that makes a claim."""
    return table(("text", "claim", "Chinese", "English"), [
        (text.name, text.claim, *map(one_line, text.words)) for text in texts.claiming()])


def page():
    """The whole page."""
    parts = (
        HEAD,
        "## States\n", states(),
        CHANGES, changes(),
        "## What a state means\n", MEANS, meaning(),
        "## Steps\n", offered(),
        "## What cannot be voided\n",
        VOIDS % tuple(both(name).replace("<br>", ", ")
                      for name in ("no_void_of_void", "no_void_of_refund")),
        voids(),
        "## Reasons\n",
        "Asked for after a void or refund and before a release; kept in the journal by number.\n",
        given_reasons(),
        "## Causes\n",
        "Whose side the cause of a failure is on.\n", causes(),
        "## Codes and advice\n",
        CODES, response_codes(),
        "## Claims\n", CLAIMS, what_claims_mean(), claiming_texts(),
    )
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    elif sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit(f"{PAGE.relative_to(ROOT)} is not what the firmware has: run `make states`")
        print("The page of states is current.")
    else:
        print(page(), end="")
