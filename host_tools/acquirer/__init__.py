"""The acquirer host: what answers the terminal, with its own books, cards and faults."""

from host_tools.acquirer.books import DatabaseError
from host_tools.acquirer.cards import STANDARD_CARD, TEST_CARDS, NotATestCard, TestCard
from host_tools.acquirer.case import Policy, Terminal
from host_tools.acquirer.host import TEST_TERMINAL, TEST_TMK, Acquirer, Answer
from host_tools.acquirer.ledger import Ledger, LedgerError
from host_tools.acquirer.rules import Rule, RuleError

__all__ = [
    "STANDARD_CARD", "TEST_CARDS", "TEST_TERMINAL", "TEST_TMK", "Acquirer", "Answer",
    "DatabaseError", "Ledger", "LedgerError", "NotATestCard", "Policy", "Rule", "RuleError",
    "Terminal", "TestCard",
]
