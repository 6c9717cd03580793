"""Management: operators, parameters, keys, clearing the journal, version."""

from mobi import VERSION, settings
from mobi.access import ADMINISTRATOR, SUPERVISOR, password_length
from mobi.flows import session
from mobi.flows.online import Refused
from mobi.ui.text import spread


async def operators(t):
    """The supervisor adds, removes, lists and resets operators (柜员管理)."""
    title = t.tr("operators")
    await session.supervisor(t, title)
    while True:
        names = ("operator_add", "operator_delete", "operator_list", "operator_reset")
        step = names[await t.ui.choose(title, [t.tr(name) for name in names])]
        if step == "operator_list":
            rows = ["%02d" % number for number in t.access.operators()]
            await t.ui.pages(title, rows)
            continue
        number = int(await t.ui.digits(title, t.tr("operator_number"), 2, 2))
        heading = t.tr(step)
        if number in (SUPERVISOR, ADMINISTRATOR):
            await t.ui.message(heading, t.tr("operator_reserved"), beep=True)
        elif step == "operator_add":
            await _add(t, heading, number)
        elif not t.access.exists(number):
            await t.ui.message(heading, t.tr("operator_unknown"), beep=True)
        elif step == "operator_delete":
            await _delete(t, heading, number)
        else:
            await session.new_password(t, heading, number)


async def _add(t, heading, number):
    if t.access.exists(number):
        await t.ui.message(heading, t.tr("operator_exists"), beep=True)
    else:
        await session.new_password(t, heading, number)


async def _delete(t, heading, number):
    if number == t.session.operator:
        await t.ui.message(heading, t.tr("operator_logged_in"), beep=True)
    elif await t.ui.confirm(heading, "%02d" % number):
        t.access.delete(number)
        await t.ui.message(heading, t.tr("done"))


async def parameters(t):
    """The administrator looks at and changes the parameters (终端参数)."""
    title = t.tr("parameters")
    at = 0
    entries = settings.TABLE
    while True:
        at = await t.ui.choose(title, [t.tr("p_" + entry[0]) for entry in entries], at)
        await _change(t, entries[at])


async def _change(t, entry):
    name, kind, _, low, high = entry
    heading = t.tr("p_" + name)
    value = t.settings.get(name)
    if kind == settings.TEXT:
        await t.ui.message(heading, t.tr("not_on_keypad"))
        return
    if kind == settings.FLAG:
        chosen = await t.ui.choose(heading, [t.tr("no"), t.tr("yes")], value)
    elif kind == settings.DIGITS:
        prompt = t.tr("digits_of") % (low, high)
        chosen = await t.ui.digits(heading, prompt, high, low, start=value, empty=not low)
    elif name == "language":
        chosen = await t.ui.choose(heading, ["中文", "English"], value)
    else:
        prompt = t.tr("range_of") % (low, high)
        chosen = await t.ui.digits(heading, prompt, len(str(high)), start=str(value))
    if name in ("terminal", "merchant") and t.journal.count:
        raise Refused(t.tr("settle_before"))
    try:
        t.settings.set(name, chosen)
    except settings.BadValue:
        await t.ui.message(heading, t.tr("range_of") % (low, high), beep=True)
        return
    t.settings_changed()
    await t.ui.message(heading, t.tr("done"), seconds=1)


async def language(t):
    """Switch between Chinese and English; anybody may."""
    title = t.tr("language")
    chosen = await t.ui.choose(title, ["中文", "English"], t.settings.get("language"))
    t.settings.set("language", chosen)
    t.settings_changed()


async def master_key(t):
    """Enter the terminal master key (主密钥) as two components of 32 hexadecimal digits.

    A keypad has no letters: each digit is keyed as two decimal ones, 00 to 15.
    """
    title = t.tr("master_key")
    if t.journal.count:
        raise Refused(t.tr("settle_before"))
    parts = []
    for number in (1, 2):
        part = b""
        for half in (1, 2, 3, 4):
            prompt = t.tr("component") % (number, half)
            digits = await t.ui.digits(title, prompt, 16, 16, mask=True)
            nibbles = [int(digits[i : i + 2]) for i in range(0, 16, 2)]
            if max(nibbles) > 15:
                await t.ui.message(title, t.tr("component_wrong"), beep=True)
                return
            part += bytes(nibbles[i] << 4 | nibbles[i + 1] for i in range(0, 8, 2))
        parts.append(part)
    key = bytes(a ^ b for a, b in zip(parts[0], parts[1]))
    t.keys.install(key)
    t.session.distrust()
    await t.ui.message(title, t.tr("kcv_is") % t.keys.master_kcv())


async def clear_journal(t):
    """Clear the journal (清除流水): only the administrator, only when nothing is open."""
    title = t.tr("clear_journal")
    if t.journal.count or t.journal.unfinished():
        raise Refused(t.tr("settle_before"))
    length = password_length(ADMINISTRATOR)
    await session.password(t, title, ADMINISTRATOR, t.tr("password_of") % length)
    if await t.ui.confirm(title, t.tr("clear_sure")):
        t.journal.format(t.journal.batch, t.journal.next_trace)
        await t.ui.message(title, t.tr("done"))


async def version(t):
    """Version, numbers and health at a glance."""
    health = t.measurements()
    rows = [
        spread("Mobi", VERSION),
        spread(t.tr("p_terminal"), t.settings.get("terminal")),
        t.settings.get("merchant"),
        spread(t.tr("free_heap"), str(health["heap_free"])),
        spread(t.tr("longest_turn"), "%d ms" % (health["longest_turn_us"] // 1000)),
        spread(t.tr("room_left"), str(t.journal.room)),
        t.date_text(t.now()),
    ]
    await t.ui.pages(t.tr("version"), rows)

