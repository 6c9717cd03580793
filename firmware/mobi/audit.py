"""The audit trail (审计): who did what, when and why; notes in the journal that no menu changes.

A note is a kind (one letter), the time, and a line of text (ASCII; a merchant's name in it is GBK):

    OP SUP WORDS     operator and supervisor, two digits each, "--" for nobody; what was done

for example ``99 -- copies 2 > 3``: what was there before, and after. Every start notes the
terminal's number. Case notes (kind ``C``, `mobi.flows.cases`) stand apart. Who voided, refunded
or released what, when and for which reason stands in the transactions themselves: operator,
supervisor and reason are part of their records.
"""

ACCESS = b"A"  # logged in and out, locked, password wrong too often
BOOT = b"B"  # started: what the start found
CASE = b"C"  # the history of an unfinished transaction
DEATH = b"D"  # a part of the firmware died; the watchdog restarts the terminal
FAULT = b"F"  # an exchange with the host failed
KEYS = b"K"  # a master key was put in
LIMIT = b"L"  # a limit was passed, with or without the supervisor
OPERATORS = b"O"  # an operator was added, deleted, given a new password
PARAMETER = b"P"  # a parameter changed: before > after
SESSION = b"S"  # sign-on, sign-off, settlement
PASSWORD = b"W"  # somebody changed the own password
CHECK = b"Y"  # a self-check found something
CLEAR = b"Z"  # the journal was cleared or made anew

NAMES = (
    (ACCESS, "access"),
    (BOOT, "boot"),
    (CASE, "case"),
    (DEATH, "death"),
    (FAULT, "fault"),
    (KEYS, "keys"),
    (LIMIT, "limit"),
    (OPERATORS, "operators"),
    (PARAMETER, "parameter"),
    (SESSION, "session"),
    (PASSWORD, "password"),
    (CHECK, "check"),
    (CLEAR, "clear"),
)

_NOBODY = 255
_MOST = 120  # bytes of a note


def name(kind):
    """The name of a kind of note; "?" for one this firmware does not know."""
    for known, text in NAMES:
        if known == kind:
            return text
    return "?"


def pack(operator, supervisor, words):
    """The text of a note as bytes. ``words``: str of ASCII, or bytes."""
    if isinstance(words, str):
        words = words.encode()
    return (b"%s %s " % (_who(operator), _who(supervisor)) + words)[:_MOST]


def _who(number):
    return b"--" if number == _NOBODY else b"%02d" % number


def unpack(text):
    """(operator, supervisor, words) of a note: two characters each, and the bytes behind them."""
    text = bytes(text)
    return text[:2].decode(), text[3:5].decode(), text[6:]
