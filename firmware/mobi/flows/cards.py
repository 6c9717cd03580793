"""Card and PIN: swiped or keyed, shown masked, confirmed; the PIN becomes a PIN block at once.

Also the customer's payment code (付款码), 18 digits read by the scanner: it takes the card's place.
"""

from micropython import const

from mobi import transactions as tx
from mobi.acquiring import codes, security
from mobi.devices import track2
from mobi.flows import advice
from mobi.ui.text import PAGE, money, wrap

_SHORTEST_PIN = const(4)
_LONGEST_PIN = const(12)
CODE_DIGITS = const(18)
# Field 22, first two digits: how the card number came in.
_MANUAL = "01"
_STRIPE = "02"


def mask(pan):
    """First six and last four digits, stars between."""
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


def short(masked):
    """A masked number for one row of the panel: 622202****0128."""
    return masked[:6] + "****" + masked[-4:] if masked else "-"


def same(txn, original):
    """Is it the card of ``original``? By the whole number while the journal can read it."""
    if original.pan and txn.pan:
        return original.pan == txn.pan
    return original.masked_pan == txn.masked_pan


def take_track(txn, track):
    """Put a swiped track 2 (PAN=YYMM...) into ``txn``."""
    pan, _, rest = track.partition("=")
    txn.pan = pan
    txn.masked_pan = mask(pan)
    txn.expiry = rest[:4]
    txn.track2 = track
    txn.entry = _STRIPE + "2"


def is_payment_code(text):
    """Is a scanned text a payment code?"""
    return len(text) == CODE_DIGITS and text.isdigit()


def _take_code(txn, code):
    # A payment code names no card; its ends are shown and kept where a card's would be.
    txn.payment_code = code
    txn.masked_pan = mask(code)
    txn.entry = tx.BY_CODE + "2"


async def ask(t, title, txn, swiped=None, code="", scan=False):
    """Get a card into ``txn``: ``swiped`` is a track that was read already, else it is asked for.

    With ``scan`` a payment code (or ``code``, scanned already) may take its place. Shows the masked
    number and waits for ENTER. ``Leave`` when the operator cancels.
    """
    if not swiped and not code:
        swiped, code = await _read(t, title, txn, scan)
    if swiped:
        take_track(txn, swiped)
    elif code:
        _take_code(txn, code)
    what = t.tr("payment_code" if txn.by_code else "card_number")
    await t.ui.pages(title, (what, short(txn.masked_pan), t.tr("enter_continues")))


async def _read(t, title, txn, scan):
    # (track, payment code); both "" after the number was keyed into txn.
    manual = t.settings.get("manual_pan")
    rows = [t.tr("swipe_card")]
    if manual:
        rows.append(t.tr("or_key_number"))
    if scan:
        rows.append(t.tr("or_scan"))
    while True:
        t.screen.show(title, rows)
        got = await t.ui.input()
        if isinstance(got, tuple):
            if got[0] == "card":
                return got[1], ""
            if scan and got[0] == "scan" and is_payment_code(got[1]):
                return "", got[1]
            # The next swipe is taken while this is on the screen.
            t.ui.beep()
            rows = _misread(t, got, txn)
        elif got == "CANCEL":
            raise t.Leave()
        elif manual and len(got) == 1:
            if await _key_in(t, title, txn, got):
                return "", ""
        else:
            t.ui.beep()


def _misread(t, got, txn=None):
    if got[0] == "scan":
        return wrap(t.tr("code_unreadable"))
    return advice.rows(t, misread(got), txn)[:PAGE]


def misread(got):
    """The code for a swipe that gave no card. ``got``: ("unreadable", why)."""
    return codes.CARD_NOT_TAKEN if got[1] == track2.NOT_TAKEN else codes.CARD_UNREADABLE


async def scan(t, title, again=False):
    """A payment code from the scanner, or keyed; its 18 digits. ``again``: a first try failed."""
    text = ""
    rows = _misread(t, ("scan",)) if again else (t.tr("scan_code"), t.tr("or_key_code"))
    while True:
        t.screen.show(title, rows)
        t.screen.right(3, text[-16:])
        got = await t.ui.input()
        if isinstance(got, tuple):
            if got[0] == "scan" and is_payment_code(got[1]):
                return got[1]
            t.ui.beep()
            rows = _misread(t, ("scan",))
        elif got == "CANCEL":
            raise t.Leave()
        elif len(got) == 1 and len(text) < CODE_DIGITS:
            text += got
        elif got == "BACK":
            text = text[:-1]
        elif got == "CLEAR":
            text = ""
        elif got == "ENTER" and len(text) == CODE_DIGITS:
            return text
        else:
            t.ui.beep()


async def _key_in(t, title, txn, first):
    pan = await t.ui.digits(title, t.tr("card_number"), track2.PAN_MAX, track2.PAN_MIN,
                            start=first)
    if not track2.luhn(pan):
        await t.ui.message(title, t.tr("card_number_wrong"), beep=True)
        return False
    while True:
        expiry = await t.ui.digits(title, t.tr("expiry"), 4, 4)
        if "01" <= expiry[2:] <= "12":
            break
        await t.ui.message(title, t.tr("no_such_date"), beep=True)
    txn.pan = pan
    txn.masked_pan = mask(pan)
    txn.expiry = expiry
    txn.track2 = ""
    txn.entry = _MANUAL + "2"
    return True


async def pin(t, title, txn):
    """Ask for the PIN; ENTER alone means there is none. The digits do not outlive this function."""
    prompt = t.tr("enter_pin")
    if txn.amount:
        prompt = "%s\n%s" % (money(txn.amount), prompt)
    digits = await t.ui.digits(
        title, prompt, _LONGEST_PIN, _SHORTEST_PIN, mask=True, empty=True
    )
    if digits:
        txn.pin_block = security.pin_block(digits, txn.pan, t.keys.pik)
        txn.entry = txn.entry[:2] + "1"
    else:
        txn.pin_block = None
        txn.entry = txn.entry[:2] + "2"


def forget(txn):
    """Drop what must not outlive the transaction."""
    txn.track2 = ""
    txn.expiry = ""
    txn.pin_block = None
    txn.payment_code = ""
