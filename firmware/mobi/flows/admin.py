"""Management: operators, parameters, keys, clearing the journal, audit trail, version."""

from mobi import VERSION, audit, dates, settings
from mobi.access import ADMINISTRATOR, NOBODY, SUPERVISOR
from mobi.acquiring import security
from mobi.devices.printer import NORMAL, RULE
from mobi.flows import guards, selfcheck, session, slips
from mobi.flows.online import Refused
from mobi.ui.text import money, spread, wrap

_LAST_NOTES = 40  # of the audit trail, on screen and paper


# -- operators -----------------------------------------------------------------------------------


async def operators(t):
    """The supervisor adds, removes, lists and resets operators (柜员管理); the administrator, too,
    who can also give the supervisor a new password."""
    title = t.tr("operators")
    administrator = session.is_administrator(t)
    who = NOBODY if administrator else await session.supervisor(t, title)
    while True:
        names = ("operator_add", "operator_delete", "operator_list", "operator_reset")
        step = names[await t.ui.choose(title, [t.tr(name) for name in names])]
        heading = t.tr(step)
        if step == "operator_list":
            await t.ui.pages(heading, _operator_rows(t))
            continue
        number = int(await t.ui.digits(heading, t.tr("operator_number"), 2, 2))
        reserved = number in (SUPERVISOR, ADMINISTRATOR)
        if administrator and number == SUPERVISOR and step == "operator_reset":
            reserved = False
        if reserved:
            await t.ui.message(heading, t.tr("operator_reserved"), beep=True)
        elif step == "operator_add":
            await _add(t, heading, number, who)
        elif not t.access.exists(number):
            await t.ui.message(heading, t.tr("operator_unknown"), beep=True)
        elif step == "operator_delete":
            await _delete(t, heading, number, who)
        else:
            words = "new password for %02d"
            await session.new_password(t, heading, number, audit.OPERATORS, words, who)


def _operator_rows(t):
    rows = []
    for number in t.access.operators():
        mark = t.tr("preset_mark") if t.access.uses_preset(number) else ""
        rows.append(spread("%02d" % number, mark))
    return rows


async def _add(t, heading, number, who):
    if t.access.exists(number):
        await t.ui.message(heading, t.tr("operator_exists"), beep=True)
    else:
        await session.new_password(t, heading, number, audit.OPERATORS, "added %02d", who)


async def _delete(t, heading, number, who):
    if number == t.session.operator:
        await t.ui.message(heading, t.tr("operator_logged_in"), beep=True)
    elif await t.ui.confirm(heading, t.tr("operator_delete_sure") % number):
        t.access.delete(number)
        t.audit(audit.OPERATORS, "deleted %02d" % number, who)
        await t.ui.message(heading, t.tr("done"))


# -- parameters ----------------------------------------------------------------------------------


async def parameters(t):
    """The administrator looks at and changes the parameters (终端参数)."""
    title = t.tr("parameters")
    at = 0
    entries = settings.TABLE
    labels = [t.tr("p_" + entry[0]) for entry in entries]
    while True:
        at = await t.ui.choose(title, labels, at)
        try:
            await _change(t, entries[at])
        except t.Leave as left:
            if left.timed_out:
                raise
        except Refused as refused:
            await t.ui.message(labels[at], refused.text, beep=True)


def shown(t, entry):
    """The value of a parameter as people read it; a name in GBK as its bytes."""
    name, kind = entry[:2]
    value = t.settings.get(name)
    if name == "language":
        return ("中文", "English")[value]
    if kind == settings.FLAG:
        return t.tr("yes" if value else "no")
    if kind == settings.MONEY:
        return money(value)
    return value if kind == settings.TEXT else str(value)


def _range(t, entry):
    # What may be keyed, for the prompt and for the refusal.
    _, kind, _, low, high = entry
    if kind == settings.DIGITS:
        return t.tr("digits_of") % (low, high)
    if kind == settings.MONEY:
        return t.tr("range_money") % (money(low), money(high))
    return t.tr("range_of") % (low, high)


async def _change(t, entry):
    name, kind = entry[:2]
    heading = t.tr("p_" + name)
    value = t.settings.get(name)
    if kind == settings.TEXT:
        await t.ui.message(heading, t.tr("not_on_keypad"))
        return
    if name in ("terminal", "merchant", "tpdu") and t.journal.count:
        raise Refused(t.tr("settle_before"))
    if name == "language":
        chosen = await t.ui.choose(heading, ["中文", "English"], value)
    elif kind == settings.FLAG:
        chosen = await t.ui.choose(heading, [t.tr("no"), t.tr("yes")], value)
    else:
        chosen = await _key_in(t, heading, entry, value)
    if session.change(t, name, chosen):
        if name in ("terminal", "merchant"):
            t.session.distrust()  # the host knows that terminal by other keys
        t.settings_changed()
    await t.ui.message(heading, t.tr("done"), seconds=1)


async def _key_in(t, heading, entry, value):
    # A value that fits; one that does not is refused with the range.
    _, kind, _, low, high = entry
    prompt = _range(t, entry)
    while True:
        if kind == settings.MONEY:
            chosen = await t.ui.amount(heading, prompt, value, zero=not low)
        elif kind == settings.DIGITS:
            chosen = await t.ui.digits(heading, prompt, high, low, start=value, empty=not low)
        else:
            chosen = await t.ui.digits(heading, prompt, len(str(high)), start=str(value))
        try:
            return settings.check(entry, chosen)
        except settings.BadValue:
            await t.ui.message(heading, prompt, beep=True)


async def print_parameters(t):
    """Print all parameters (参数打印); of keys only check values."""
    lines = slips.head(t, t.tr("parameters"), dates.text(t.now()))
    lines.append((RULE, ""))
    for entry in settings.TABLE:
        value = shown(t, entry)
        if isinstance(value, bytes):
            lines.append((NORMAL, t.tr("p_" + entry[0])))
            lines.append((NORMAL, value))
        else:
            lines.append(slips.pair(t.tr("p_" + entry[0]), value))
    kcv = t.keys.master_kcv() if t.keys.tmk else "-"
    lines.append(slips.pair(t.tr("master_key") + " KCV", kcv))
    await t.printing.slip(t.tr("print_parameters"), lines + slips.tail(t))


async def language(t):
    """Switch between Chinese and English; anybody may."""
    title = t.tr("language")
    chosen = await t.ui.choose(title, ["中文", "English"], t.settings.get("language"))
    session.change(t, "language", chosen)
    t.settings_changed()


# -- master key ----------------------------------------------------------------------------------


async def master_key(t):
    """Enter the terminal master key (主密钥) as two components of 32 hexadecimal digits.

    Two people bring one component each and compare its check value (KCV) with their letter; the
    key is the XOR of both. The keypad has no letters: FN and 1 to 6 are A to F.
    """
    title = t.tr("master_key")
    if t.keys.tmk and not await t.ui.confirm(title, t.tr("key_there") % t.keys.master_kcv()):
        return
    parts = []
    for number in (1, 2):
        part = b""
        for half in (1, 2):
            part += await _hex(t, title, t.tr("component") % (number, half))
        check = security.kcv(part)
        if not await t.ui.confirm(title, t.tr("component_kcv") % (number, check)):
            return
        parts.append(part)
    key = bytes(a ^ b for a, b in zip(parts[0], parts[1]))
    check = security.kcv(key)
    if not await t.ui.confirm(title, t.tr("key_sure") % check):
        return
    before = t.keys.master_kcv() if t.keys.tmk else "-"
    t.keys.install(key)
    t.session.distrust()
    t.audit(audit.KEYS, "master key, KCV %s > %s" % (before, check))
    await t.ui.message(title, t.tr("kcv_is") % check)


async def _hex(t, title, prompt):
    # Sixteen hexadecimal digits as 8 bytes; stars on the screen.
    digits = ""
    letter = False
    while True:
        t.screen.show(title, wrap(prompt)[:2])
        t.screen.right(3, "*" * len(digits) + ("A-F" if letter else ""))
        key = await t.ui.key()
        value = -1
        if len(key) == 1:
            value = int(key)
            if letter:
                value = value + 9 if 1 <= value <= 6 else -1
        if value >= 0 and len(digits) < 16:
            digits += "0123456789ABCDEF"[value]
        elif key == "FN":
            letter = not letter
            continue
        elif key == "BACK":
            digits = digits[:-1]
        elif key == "CLEAR":
            digits = ""
        elif key == "ENTER" and len(digits) == 16:
            return bytes(int(digits[i : i + 2], 16) for i in range(0, 16, 2))
        elif key == "CANCEL":
            raise t.Leave()
        else:
            t.ui.beep()
        letter = False


# -- journal -------------------------------------------------------------------------------------


async def clear_journal(t):
    """Clear the journal (清除流水): only the administrator, only when nothing is open.

    The numbers go on and the totals of the last batch stay for its slip. The audit trail goes with
    the journal, so all of it is printed first; that it was cleared is the first record of the new
    one, and the acquirer is told.
    """
    title = t.tr("clear_journal")
    if guards.to_settle(t) or t.journal.settlement_open:
        raise Refused(t.tr("settle_before"))
    if t.journal.cases():
        raise Refused(t.tr("unfinished_before"))
    await session.password(t, title, ADMINISTRATOR, t.tr("administrator_password"))
    if not await t.ui.confirm(title, t.tr("clear_sure")):
        return
    if not await t.printing.slip(title, lambda: _audit_slip(t, _audit_notes(t))):
        return
    journal = t.journal
    batch, trace = journal.batch, journal.next_trace
    closed, closed_batch = journal.last_batch, journal.last_batch_number
    notes = sum(1 for _ in journal.notes())
    t.keys.new_card_key()
    if closed is None:
        journal.format(batch, trace)
    else:
        journal.format(closed_batch, trace)
        journal.settle(batch, closed)
    words = "journal cleared, %d notes, trace %06d" % (notes, trace)
    t.audit(audit.CLEAR, words)
    t.report("clear: " + words)
    await t.ui.message(title, t.tr("done"))


async def audit_trail(t):
    """The newest notes of the audit trail (审计记录), one screen each; ENTER prints them."""
    title = t.tr("audit_trail")
    if not session.is_administrator(t):
        await session.supervisor(t, title)
    notes = _newest_notes(t)
    if not notes:
        raise Refused(t.tr("no_notes"))
    while True:
        await t.ui.pick(title, notes, lambda note: _note_rows(t, note))
        if await t.ui.confirm(title, t.tr("print_notes") % len(notes)):
            await t.printing.slip(title, lambda: _audit_slip(t, notes))


def _newest_notes(t):
    found = []
    for note in _audit_notes(t):
        found.append(note)
        if len(found) == _LAST_NOTES:
            break
    return found


def _audit_notes(t):
    for note in t.journal.notes():
        if note[1] != audit.CASE:
            yield note


def _note_rows(t, note):
    time, kind, text, _ = note
    operator, supervisor, words = audit.unpack(text)
    rows = [dates.text(time)[5:] + " " + operator, audit.name(kind)]
    if supervisor != "--":
        rows[1] = spread(rows[1], t.tr("supervisor_is") + supervisor)
    return rows + wrap(_plain(words))


def _plain(words):
    # A merchant's name in a note is GBK, which the panel cannot show.
    return "".join(chr(byte) if byte < 0x7F else "?" for byte in words)


def _audit_slip(t, notes):
    for line in slips.head(t, t.tr("audit_trail"), dates.text(t.now())):
        yield line
    yield (RULE, "")
    for time, kind, text, _ in notes:
        operator, supervisor, words = audit.unpack(text)
        yield slips.pair(dates.text(time), "%s %s/%s" % (audit.name(kind), operator, supervisor))
        yield (NORMAL, b"  " + words)
    for line in slips.tail(t):
        yield line


async def version(t):
    """Version, numbers and health at a glance."""
    rows = [
        spread("Mobi", VERSION),
        spread(t.tr("p_terminal"), t.settings.get("terminal")),
        t.settings.get("merchant"),
    ] + selfcheck.health(t, t.board.collect()) + [
        spread(t.tr("room_left"), str(t.journal.room)),
        t.date_text(t.now()),
        t.tr("service_call") % t.settings.get("service_phone"),
    ]
    await t.ui.pages(t.tr("version"), rows)

