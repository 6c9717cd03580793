"""Card and PIN: swiped or keyed, shown masked, confirmed; the PIN becomes a PIN block at once."""

from mobi.acquiring import security
from mobi.devices import track2
from mobi.ui.text import money

_PAN_MIN = 13
_PAN_MAX = 19
_SHORTEST_PIN = 4
_LONGEST_PIN = 12
# Field 22, first two digits: how the card number came in.
_MANUAL = "01"
_STRIPE = "02"


def mask(pan):
    """First six and last four digits, stars between."""
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


def short(masked):
    """A masked number for one row of the panel: 622202****0128."""
    return masked[:6] + "****" + masked[-4:]


def take_track(txn, track):
    """Put a swiped track 2 (PAN=YYMM...) into ``txn``."""
    pan, _, rest = track.partition("=")
    txn.pan = pan
    txn.masked_pan = mask(pan)
    txn.expiry = rest[:4]
    txn.track2 = track
    txn.entry = _STRIPE + "2"


async def ask(t, title, txn, swiped=None):
    """Get a card into ``txn``: ``swiped`` is a track that was read already, else it is asked for.

    Shows the masked number and waits for ENTER. ``Leave`` when the operator cancels.
    """
    if swiped is None:
        swiped = await _read(t, title, txn)
    if swiped:
        take_track(txn, swiped)
    await t.ui.pages(title, (t.tr("card_number"), short(txn.masked_pan), t.tr("enter_continues")))


async def _read(t, title, txn):
    # A track, or "" after the number was keyed into txn.
    manual = t.settings.get("manual_pan")
    while True:
        t.screen.show(title, (t.tr("swipe_card"), t.tr("or_key_number") if manual else ""))
        got = await t.ui.input()
        if isinstance(got, tuple):
            if got[0] == "card":
                return got[1]
            await t.ui.message(title, t.tr("card_unreadable"), beep=True)
        elif got == "CANCEL":
            raise t.Leave()
        elif manual and len(got) == 1:
            if await _key_in(t, title, txn, got):
                return ""
        else:
            t.ui.beep()


async def _key_in(t, title, txn, first):
    pan = await t.ui.digits(title, t.tr("card_number"), _PAN_MAX, _PAN_MIN, start=first)
    if not track2.luhn(pan):
        await t.ui.message(title, t.tr("card_number_wrong"), beep=True)
        return False
    while True:
        expiry = await t.ui.digits(title, t.tr("expiry"), 4, 4)
        if "01" <= expiry[2:] <= "12":
            break
        t.ui.beep()
    txn.pan = pan
    txn.masked_pan = mask(pan)
    txn.expiry = expiry
    txn.track2 = ""
    txn.entry = _MANUAL + "2"
    return True


async def pin(t, title, txn):
    """Ask for the PIN; ENTER alone means there is none. The digits do not outlive this function."""
    prompt = t.tr("enter_pin") if not txn.amount else "%s\n%s" % (money(txn.amount), t.tr("enter_pin"))
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
