"""What each text says about a transaction's money: one table, for people, the oracle and a test.

A **claim** is what a person takes from a sentence and acts on: "charged", "not charged", "it will
be taken back". ``CLAIMS`` says what has to hold at the acquirer and in the journal for each to be
true. Both languages of a text make the same claim.

    TEXTS    texts of the terminal, by their id in `firmware/mobi/ui/strings.py`
    ADVICE   rows of ``ADVICE`` in `firmware/mobi/acquiring/codes.py`, by the name of their number:
             what the operator reads, what the customer is told
    CODES    short texts of response codes in the same file
    HOST     words of the host's side: journal, evidence, notices, web page
    SILENT   texts whose words are about money without saying what became of a transaction's;
             SILENT_ADVICE the same for rows of ``ADVICE``

A new text with words of money that stands in none of them fails `tests/host/test_claims.py`, which
says what to add. `host_tools.bench.oracle` compares the claims with the books while the terminal
runs; docs/states.md prints this table.
"""

from __future__ import annotations

DONE = "done"
FINAL = "final"
CHARGED = "charged"
NOT_CHARGED = "not charged"
TAKEN_BACK = "charged and taken back"
GONE = "undone"
WILL_BE_TAKEN_BACK = "will be taken back"
UNKNOWN = "unknown"
REFUNDED = "refunded"
NOT_REFUNDED = "not refunded"
VOIDED = "voided"
STANDS = "stands"
NOT_MOVED = "nothing moved"
NOT_SENT = "nothing sent"
SETTLED = "settled"
AGREES = "totals agree"
DIFFERS = "totals differ"

# Claim: what it means, and what has to hold. "Stands" of the books: approved there, also when its
# batch was settled since, and of a sale not voided.
CLAIMS = {
    DONE: ("it has been done: a sale is paid, a void voided, a refund refunded",
           "it stands at the acquirer"),
    FINAL: ("it has been done and is not to be repeated, also where it was voided since",
            "it stands at the acquirer, or stood until it was voided"),
    CHARGED: ("the customer has paid this sale", "the sale stands at the acquirer"),
    NOT_CHARGED: ("the customer has not paid and was never charged",
                  "the acquirer has no charge of it and never took one back"),
    TAKEN_BACK: ("the customer was charged and got it back",
                 "the acquirer booked it and took it back"),
    GONE: ("it does not stand any more, or never did", "it does not stand at the acquirer"),
    WILL_BE_TAKEN_BACK: ("if it was charged, the terminal will take it back",
                         "its reversal is due in the journal"),
    UNKNOWN: ("nobody here knows yet",
              "always; the same message names the next step, and the journal has no outcome"),
    REFUNDED: ("the money went back to the customer", "the refund stands at the acquirer"),
    NOT_REFUNDED: ("no money went back", "the acquirer has no refund of it"),
    VOIDED: ("the sale was voided", "the void stands at the acquirer, or another one of that sale"),
    STANDS: ("the sale was not voided: the customer has paid", "the sale stands at the acquirer"),
    NOT_MOVED: ("this transaction moved no money: no sale charged, no void or refund done",
                "the acquirer has nothing of it and never took it back"),
    NOT_SENT: ("the new transaction was not sent", "the acquirer has nothing of it"),
    SETTLED: ("its batch is closed", "the journal has closed the batch"),
    AGREES: ("both ends have the same totals", "count and amount of debits and credits are equal"),
    DIFFERS: ("the totals of both ends differ", "always: the host may say so whatever it has"),
}

# What cannot be told to be wrong by the books alone.
ALWAYS = (UNKNOWN, DIFFERS)

TEXTS: dict[str, str] = {
    "already_refunded": REFUNDED,
    "already_settled": SETTLED,
    "already_voided": VOIDED,
    "approved": DONE,
    "cannot_be_sent": NOT_SENT,
    "fault_text": UNKNOWN,
    "here_approved": DONE,
    "here_declined": NOT_MOVED,
    "here_no_answer": UNKNOWN,
    "here_not_begun": NOT_SENT,
    "here_not_sent": NOT_MOVED,
    "here_refunded": REFUNDED,
    "here_released": UNKNOWN,
    "here_reversed": GONE,
    "here_sent": UNKNOWN,
    "here_settled": SETTLED,
    "here_unproven": UNKNOWN,
    "here_voided_since": VOIDED,
    "here_voided": VOIDED,
    "host_has_not": NOT_MOVED,
    "host_no_query_refund": UNKNOWN,
    "host_no_query_sale": UNKNOWN,
    "host_stands": DONE,
    "host_undone": GONE,
    "late_result": DONE,
    "left_out": UNKNOWN,
    "money_back_refund": REFUNDED,
    "money_back_void": VOIDED,
    "new_not_sent": NOT_SENT,
    "no_slip_yet": DONE,
    "not_in_net": UNKNOWN,
    "old_not_reversed": WILL_BE_TAKEN_BACK,
    "original_declined": NOT_MOVED,
    "original_released": UNKNOWN,
    "original_reversed": GONE,
    "original_unfinished": UNKNOWN,
    "refund_still_unknown": UNKNOWN,
    "refunds_left_help": UNKNOWN,
    "refunds_unknown": UNKNOWN,
    "reversal_blocks": WILL_BE_TAKEN_BACK,
    "reversal_done": GONE,
    "reversal_doubt_text": UNKNOWN,
    "reversal_failed": NOT_SENT,
    "reversal_failed_now": WILL_BE_TAKEN_BACK,
    "reversal_text": TAKEN_BACK,
    "reversal_void_text": STANDS,
    "safe_again": NOT_MOVED,
    "safe_bank": UNKNOWN,
    "safe_compare": UNKNOWN,
    "safe_done": FINAL,
    "safe_no_refund": UNKNOWN,
    "safe_no_refund_late": UNKNOWN,
    "safe_no_sale": UNKNOWN,
    "safe_no_void": UNKNOWN,
    "safe_refund_again": NOT_REFUNDED,
    "safe_repeat": TAKEN_BACK,
    "safe_void_again": STANDS,
    "safe_wait": UNKNOWN,
    "sale_stands": STANDS,
    "safe_voided_since": VOIDED,
    "settlement_done": SETTLED,
    "state_absent": NOT_MOVED,
    "state_approved": DONE,
    "state_declined": NOT_MOVED,
    "state_pending": UNKNOWN,
    "state_refunded": REFUNDED,
    "state_released": UNKNOWN,
    "state_reversal_due": WILL_BE_TAKEN_BACK,
    "state_reversed": GONE,
    "state_settled": SETTLED,
    "state_unknown": UNKNOWN,
    "state_unproven": UNKNOWN,
    "state_voided": VOIDED,
    "tell_bank": UNKNOWN,
    "tell_compared": GONE,
    "tell_not_asked": NOT_MOVED,
    "tell_not_refunded": NOT_REFUNDED,
    "tell_not_voided": STANDS,
    "tell_nothing": NOT_CHARGED,
    "tell_paid": DONE,
    "tell_refunded": REFUNDED,
    "tell_sale_open": WILL_BE_TAKEN_BACK,
    "tell_taken_back": TAKEN_BACK,
    "tell_void_back": STANDS,
    "tell_void_open": UNKNOWN,
    "tell_voided": VOIDED,
    "tell_wait": UNKNOWN,
    "there_booked": CHARGED,
    "there_compared": GONE,
    "there_no_original": NOT_MOVED,
    "there_no_refund": NOT_REFUNDED,
    "there_nothing": NOT_CHARGED,
    "there_refund_unsure": UNKNOWN,
    "there_refunded": REFUNDED,
    "there_sale_stands": STANDS,
    "there_sale_unsure": UNKNOWN,
    "there_taken_back": TAKEN_BACK,
    "there_void_compared": STANDS,
    "there_void_unsure": UNKNOWN,
    "there_voided": VOIDED,
    "there_voided_since": VOIDED,
    "verdict_1": AGREES,
    "verdict_2": DIFFERS,
    "verdict_3": DIFFERS,
    "voidable_batch": DONE,
    "voidable_until": DONE,
    "wait_text": WILL_BE_TAKEN_BACK,
    "why_all_refunded": REFUNDED,
    "why_money_open": UNKNOWN,
    "why_not_approved": UNKNOWN,
}

ADVICE: dict[str, tuple[str, str]] = {
    "OK": (DONE, DONE),
    "LOOK_UP": (UNKNOWN, ""),
    "UNSURE": (UNKNOWN, UNKNOWN),
    "LATER": ("", UNKNOWN),
    "PART": ("", CHARGED),
    "CONFIRM": ("", DONE),
    "UNKNOWN": ("", NOT_MOVED),
}
# Why an advice with words of money says nothing of a transaction's outcome.
SILENT_ADVICE = {
    "OTHER_CARD": "asks the customer to pay in another way",
    "FUNDS": "asks the customer to pay in another way",
    "CALL_ACQUIRER": "asks the customer to pay in another way",
    "NOT_HERE": "asks the customer to pay in another way",
    "NOT_TAKEN": "asks the customer to pay in another way",
    "REPORT": "asks the customer to pay in another way",
    "UPLOAD": "asks the customer to wait",
    "SETTLE": "says where to settle",
    "PART": "offers what may be done about the rest",
}

CODES: dict[str, str] = {
    "00": DONE, "10": DONE, "11": DONE, "A2": DONE, "A4": DONE, "A5": DONE, "A6": DONE,
    "95": DIFFERS, "L9": UNKNOWN,
}

HOST: dict[str, str] = {
    "journal pending": UNKNOWN,
    "journal approved": DONE,
    "journal declined": NOT_MOVED,
    "journal reversal_due": WILL_BE_TAKEN_BACK,
    "journal reversed": GONE,
    "journal unknown": UNKNOWN,
    "journal released": UNKNOWN,
    "journal unproven": UNKNOWN,
    "journal absent": NOT_MOVED,
    "journal voided": VOIDED,
    "journal refunded": REFUNDED,
    "journal settled": SETTLED,
    "evidence agree": AGREES,
    "evidence differ": DIFFERS,
    "evidence open": UNKNOWN,
    "evidence no-host": UNKNOWN,
    "evidence host-only": DIFFERS,
    "evidence no-journal": UNKNOWN,
    "notice approved": CHARGED,
    "notice voided": VOIDED,
    "notice refunded": REFUNDED,
    "notice reversed": TAKEN_BACK,
    "notice settled": SETTLED,
}

# Reason: the texts it is true of.
SILENT: dict[str, tuple[str, ...]] = {
    "the name of a transaction, a menu, a field or a key": (
        "accept_refund", "accept_sale", "accept_void", "asked_for", "balance", "by_voucher",
        "correct_amount", "credit", "debit", "fee_back", "fee_is", "host_has", "known_here",
        "known_there", "login", "net", "next_try", "no_settlement", "payment_code", "print_totals",
        "refund", "refund_amount", "refund_code", "refund_left", "resent", "reverse_sale",
        "reverse_void", "sale", "sale_code", "settle", "sign_off", "slip_refund", "slip_sale",
        "reversal_slip", "slip_title_refund", "slip_title_void", "slip_void", "step_back", "totals",
        "totals_slip", "void", "void_last",
    ),
    "what the operator is asked or offered; nothing has happened yet": (
        "badge_day", "badge_full", "badge_nearly", "batch_differs", "close_by_hand", "close_sure",
        "code_unreadable", "enter_continues", "nearly_full", "no_settlement_slip", "or_scan",
        "part_choice", "pay_rest", "refund_how", "refund_over_limit", "refund_too_much",
        "release_then", "reprint_settlement", "reverse_then_void", "safe_refund", "scan_code",
        "compare_sure", "compare_void_sure", "settle_before", "settle_day_ask", "settle_sure",
        "settlement_kept", "settlement_not_begun",
        "settlement_open", "settlement_short", "sign_off_sure", "sign_on_first_reversal",
        "step_code", "step_refund", "step_reverse", "step_void", "step_wait", "verdict_0",
        "verdict_help_3", "void_cut_off", "void_too_late", "way_code",
    ),
    "how things are done in general": (
        "cause_advice_6", "fee_kept", "help_keys_1", "help_keys_3", "help_line_1", "help_refund_1",
        "help_refund_3", "help_safety_2", "help_sale_2", "help_sale_3", "help_settle_1",
        "help_settle_2", "help_settle_3", "help_title_refund", "help_title_settle",
        "help_title_void", "help_unfinished_2", "help_unfinished_3", "help_void_1", "help_void_3",
    ),
    "about storage, keys or passwords": (
        "done", "flash_advice", "format_other_sure", "format_sure", "journal_damaged",
        "keys_renewed", "new_vault_done", "new_vault_open", "print_not_noted", "sign_off_done",
        "sign_on_done",
    ),
    "a count, a rule or a reason, whose transactions have their own words": (
        "attempts_are", "card_differs", "case_accept", "case_back", "case_try",
        "limit_declines_in_row",
        "limit_refunds_a_day", "limit_voids_in_row", "no_void_of_refund", "no_void_of_void",
        "not_done", "nothing_to_void", "original_not_sale", "paid_by_card", "paid_by_code",
        "part_approved", "reason_not_accepted", "reason_returned", "refunds_left", "reversing",
        "voidable_not",
        "why_known", "why_no_case", "why_no_reversal", "why_no_tries", "why_not_reversed",
        "why_reverse_first",
    ),
}
