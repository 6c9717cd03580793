"""Service (维护): the vault or the journal cannot be used. Says so, and changes nothing by itself.

Nothing here formats unless a person has read what is lost and has confirmed it. A terminal whose
vault is lost has no passwords either: then whoever stands before it may begin anew, because there
is nothing left that a password could protect, and the journal is not touched.
"""

import struct
from binascii import crc32

from micropython import const

from mobi import audit
from mobi.access import ADMINISTRATOR
from mobi.flows import admin, session
from mobi.journal.log import FOREIGN, OTHER_VERSION, JournalError
from mobi.ui.dialogs import Leave
from mobi.ui.text import spread, wrap

# Where numbers go on after the journal was lost: well behind anything that was used before.
_SKIP = const(2000)
_TRACES = const(999999)
# Numbers that a hole in the journal may have swallowed: what fits into the rest of a sector.
_SKIP_HOLE = const(40)
# Where the vault keeps which damage of the journal the operator has been told about.
_TOLD = b"x"


async def repair(t, found, verdict):
    """Until vault and journal can be used. ``found``: what ``Vault.mount`` said."""
    if found == t.vault.EMPTY:
        await _until_done(t, t.tr("vault_lost"), _vault_rows(t), _new_vault, verdict)
    elif not t.access.has_administrator():
        await _until_done(t, t.tr("operators_lost"), _vault_rows(t), _new_operators, verdict)
    if not verdict.usable:
        text = t.tr("verdict_" + verdict.name)
        await _until_done(t, text, wrap(verdict.text), _new_journal, verdict)


async def _until_done(t, what, rows, mend, verdict):
    # Only ``mend`` leads out of here.
    title = t.tr("service")
    labels = [t.tr(name) for name in ("service_details", "service_new", "version")]
    while True:
        try:
            phone = t.tr("service_call") % t.settings.get("service_phone")
            await t.ui.message(title, "%s\n%s" % (what, t.tr("service_hint")), seconds=3600)
            step = await t.ui.choose(title, labels)
            if step == 0:
                await t.ui.pages(title, rows + [phone])
            elif step == 2:
                await admin.version(t)
            elif await mend(t, title, verdict):
                return
        except Leave:
            pass  # this screen is the only place to be


def _vault_rows(t):
    return [
        t.tr("service_vault"),
        spread(t.tr("service_damage"), str(t.vault.damage)),
        spread(t.tr("service_wear"), str(t.vault.wear)),
    ]


async def _new_vault(t, title, verdict):
    # Keys, parameters and passwords are gone whatever we do; the journal stays as it is.
    if not await t.ui.confirm(title, t.tr("new_vault_sure")):
        return False
    count = t.journal.count if verdict.usable else 0
    if count and not await t.ui.confirm(title, t.tr("new_vault_open") % count):
        return False
    t.vault.format()
    return await _new_operators(t, title, verdict)


async def _new_operators(t, title, verdict):
    t.access.install()
    t.keys.read()
    t.boot_notes.append("vault made anew" if t.keys.tmk is None else "preset operators made anew")
    await t.ui.message(title, t.tr("new_vault_done"), beep=True)
    return True


async def _new_journal(t, title, verdict):
    await session.password(t, title, ADMINISTRATOR, t.tr("administrator_password"))
    if not await t.ui.confirm(title, t.tr("format_sure")):
        return False
    if verdict.kind in (FOREIGN, OTHER_VERSION) and not await t.ui.confirm(
        title, t.tr("format_other_sure")
    ):
        return False
    t.keys.new_card_key()
    batch, trace = t.session.numbers
    t.journal.format(batch, (trace + _SKIP) % _TRACES + 1 if trace else 1)
    t.boot_notes.append("journal made anew, it was %s" % verdict.name)
    await t.ui.message(title, t.tr("done"))
    return True


def findings(t, found, verdict):
    """What the operator is told once after this start: [text]."""
    out = []
    if found == t.vault.DAMAGED:
        out.append(t.tr("vault_damaged"))
    if verdict.damage:
        if t.vault.get(_TOLD) != _mark(verdict.damage):
            out.append(t.tr("journal_damaged") % len(verdict.damage))
            _skip_numbers(t)
    elif verdict.usable and verdict.name == "repaired":
        out.append(t.tr("journal_repaired"))
    if t.journal.read_only:
        out.append(t.tr("journal_read_only"))
    elif t.journal.health().low:
        out.append(t.tr("journal_worn") % len(verdict.bad))
    died = death(t)
    if died:
        out.append(t.tr("restarted") + "\n" + died)
        t.report("restarted: " + died)
    return out


def _skip_numbers(t):
    # The host may have seen numbers that the journal does not know any more.
    if not t.journal.read_only:
        for _ in range(_SKIP_HOLE):
            t.journal.take_trace()


def _mark(damage):
    mark = 0
    for sector, offset in damage:
        mark = crc32(struct.pack("<HH", sector, offset), mark)
    return struct.pack("<I", mark)


async def tell(t):
    """Tell the operator what was found, each thing once."""
    while t.findings:
        await t.ui.message(t.tr("service"), t.findings[0], beep=True)
        t.findings.pop(0)
    damage = t.journal.damage
    if damage and t.vault.get(_TOLD) != _mark(damage):
        t.vault.put(_TOLD, _mark(damage))


def death(t):
    """Why the firmware died before this start; "" when it did not."""
    for _, kind, text, _ in t.journal.notes():
        if kind == audit.BOOT:
            return ""
        if kind == audit.DEATH:
            return audit.unpack(text)[2].decode()
    return ""


def last_words(t, text):
    """Keep why the firmware dies, if the journal can still take it."""
    try:
        return t.audit(audit.DEATH, text)
    except (JournalError, OSError):
        return False
