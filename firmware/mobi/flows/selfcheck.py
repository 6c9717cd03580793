"""Self-check (自检): every part of the terminal with verdict and advice, at boot and on request.

At boot keys and printer, in silence when they are well (`mobi.flows.service` looks at the flash).
From the menu everything, with an echo to the acquirer; what is not in order goes into the audit
trail (``Y``).
"""

from micropython import const

from mobi import VERSION, audit, dates
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.devices.keypad import LAYOUT
from mobi.devices.printer import NORMAL, RULE, PrinterError
from mobi.flows import online, printing, slips
from mobi.link.link import LinkError
from mobi.loop import sleep_ms
from mobi.ui.text import spread, wrap

GOOD = const(0)
LOOK = const(1)  # it works; somebody should look after it soon
BAD = const(2)
_VERDICTS = ("unit_good", "unit_look", "unit_bad")
_WORDS = ("good", "look", "bad")  # in the audit trail

_DAY = const(86400)
_LIT_MS = const(400)
_RELEASE_MS = const(2000)  # nobody holds a key for so long
_SLOW_MS = const(3000)  # round trip of an echo
_WEAK = const(80)  # percent of frames answered in time
_CLOCK_OFF_S = const(300)
_OLD_DAYS = const(180)  # parameters are fetched again by then
_ERASES = const(80000)  # of 100,000 that a sector of NOR flash is good for
_LOW_HEAP = const(24000)
_COLUMNS = const(15)  # of a label behind its digit


class Finding:
    """A check's ``verdict``, ``facts`` (rows of 16 columns) and ``advice`` (a text or "")."""

    def __init__(self, verdict, facts, advice=""):
        self.verdict = verdict
        self.facts = facts
        self.advice = advice


# -- the checks ------------------------------------------------------------------------------------


async def _keys(t):
    for _ in range(_RELEASE_MS // 100):
        if not t.keypad.held():
            return Finding(GOOD, [t.tr("keys_free")])
        await sleep_ms(100)
    return _stuck_keys(t, t.keypad.held())


def _stuck_keys(t, names):
    return Finding(BAD, [t.tr("key_stuck") % name for name in names], t.tr("key_advice"))


async def _display(t):
    t.display.invert(True)
    await sleep_ms(_LIT_MS)
    t.display.invert(False)
    if not t.display.present:
        return Finding(BAD, [t.tr("display_lost")], t.tr("repair_advice"))
    facts = [spread(t.tr("display_losses"), str(t.display.losses))]
    return Finding(LOOK if t.display.losses else GOOD, facts,
                   t.tr("cable_advice") if t.display.losses else "")


async def _printer(t):
    if not t.printer.answers:
        return Finding(GOOD, [t.tr("printer_mute")])
    try:
        await t.printer.check()
    except PrinterError as error:
        return Finding(BAD, [t.tr(printing.trouble(error))], t.tr("printer_advice"))
    if t.printer.near_end:
        return Finding(LOOK, [t.tr("paper_low")], t.tr("paper_advice"))
    return Finding(GOOD, [t.tr("paper_there")])


async def _line(t):
    title = t.tr("unit_line")
    txn = online.about(t)
    began = t.clock.ticks_ms()
    try:
        await online.reach(t, title)
        await online.exchange(t, title, "echo", txn)
    except online.Refused:
        return Finding(BAD, [codes.text(codes.LINE_DOWN, t.language)], t.tr("line_advice"))
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        t.fault("echo", error)
        return Finding(BAD, [codes.text(codes.of_error(error), t.language)], t.tr("line_advice"))
    took = t.clock.ticks_diff(t.clock.ticks_ms(), began)
    quality = t.link.stats.quality()
    facts = [
        spread(t.tr("round_trip"), "%d ms" % took),
        spread(t.tr("quality"), "%d%%" % quality),
        spread(t.tr("resent"), str(t.link.stats.resent)),
    ]
    if took > _SLOW_MS or quality < _WEAK:
        return Finding(LOOK, facts, t.tr("line_advice"))
    return Finding(GOOD, facts)


async def _clock(t):
    facts = [dates.text(t.now())]
    if t.clock_off is not None:
        # As it was until the echo of this check has set it.
        facts.append(spread(t.tr("clock_off"), "%d s" % t.clock_off))
        if abs(t.clock_off) > _CLOCK_OFF_S:
            return Finding(LOOK, facts, t.tr("clock_advice"))
    return Finding(GOOD, facts)


async def _flash(t):
    health = t.journal.health()
    wear = max(wear or 0 for wear in health.wear)
    wear = max(wear, t.vault.wear)
    facts = [
        spread(t.tr("bad_sectors"), "%d/%d" % (len(health.bad), health.sectors)),
        spread(t.tr("service_wear"), str(wear)),
        spread(t.tr("service_damage"), str(len(health.damage) + t.vault.damage)),
        spread(t.tr("room_left"), str(t.journal.room)),
    ]
    if health.read_only:
        return Finding(BAD, facts, t.tr("journal_read_only"))
    if health.low or health.damage or t.vault.damage or wear > _ERASES:
        return Finding(LOOK, facts, t.tr("flash_advice"))
    return Finding(GOOD, facts)


async def _security(t):
    if not t.keys.tmk:
        return Finding(BAD, [t.tr("master_key") + ": -"], t.tr("no_master_key"))
    facts = [spread("TMK", t.keys.master_kcv())]
    if t.keys.working:
        pik, mak = t.keys.working_kcvs()
        facts += [spread("PIK", pik), spread("MAK", mak)]
    if not t.session.trusted:
        return Finding(LOOK, facts, t.tr("sign_on_first"))
    days = (t.now() - t.session.since) // _DAY
    facts.append(spread(t.tr("signed_on_days"), str(days)))
    return Finding(LOOK, facts, t.tr("keys_advice")) if days > 1 else Finding(GOOD, facts)


async def _parameters(t):
    fetched = t.session.fetched
    if not fetched:
        return Finding(GOOD, [t.tr("never_fetched")])
    days = (t.now() - fetched) // _DAY
    facts = [spread(t.tr("fetched_days"), str(days))]
    if days > _OLD_DAYS:
        return Finding(LOOK, facts, t.tr("parameters_advice"))
    return Finding(GOOD, facts)


async def _passwords(t):
    preset = [number for number in t.access.operators() if t.access.uses_preset(number)]
    if preset:
        facts = [t.tr("preset_mark"), " ".join("%02d" % number for number in preset)]
        return Finding(LOOK, facts[:1] + wrap(facts[1]), t.tr("preset_password"))
    return Finding(GOOD, [t.tr("no_preset")])


def health(t, free):
    """Rows about heap and loop. ``free``: bytes of the heap, None where it has no bounds."""
    return [
        spread(t.tr("free_heap"), "-" if free is None else str(free)),
        spread(t.tr("longest_turn"), "%d ms" % (t.loop.longest_turn_us // 1000)),
    ]


async def _software(t):
    free = t.board.collect()
    facts = [spread("Mobi", VERSION)] + health(t, free)
    if free is not None and free < _LOW_HEAP:
        return Finding(LOOK, facts, t.tr("restart_advice"))
    return Finding(GOOD, facts)


# Name (unit_NAME is its label) and check; the line comes before the clock, which it sets right.
_CHECKS = (
    ("keys", _keys),
    ("display", _display),
    ("printer", _printer),
    ("line", _line),
    ("clock", _clock),
    ("flash", _flash),
    ("security", _security),
    ("parameters", _parameters),
    ("passwords", _passwords),
    ("software", _software),
)


# -- at boot ---------------------------------------------------------------------------------------


async def at_boot(t):
    """What the first operator should know: [text]."""
    held = t.keypad.held()
    found = [_stuck_keys(t, held)] if held else []
    found.append(await _printer(t))
    return [_words(finding) for finding in found if finding.verdict == BAD]


def _words(finding):
    return "\n".join(finding.facts + [finding.advice])


async def tell_stuck(t):
    """Say which keys have been down for too long; they count no more until they are released."""
    while t.stuck:
        name = t.stuck.pop(0)
        t.audit(audit.CHECK, "key %s stuck" % name)
        await t.ui.message(t.tr("self_check"), _words(_stuck_keys(t, [name])), beep=True)


# -- from the menu ---------------------------------------------------------------------------------


async def run(t):
    """Check everything, show the verdicts; ENTER on one shows what was found and what to do."""
    title = t.tr("self_check")
    t.clock_off = None
    found = []
    for name, check in _CHECKS:
        t.ui.show(title, t.tr("unit_" + name) + " ...")
        await sleep_ms(0)
        found.append(await check(t))
    _note(t, found)
    labels = [_label(t, name, finding) for (name, _), finding in zip(_CHECKS, found)]
    labels += [t.tr("key_test"), t.tr("print")]
    at = 0
    while True:
        at = await t.ui.choose(title, labels, at)
        try:
            if at < len(found):
                rows = found[at].facts + wrap(found[at].advice)
                await t.ui.pages(t.tr("unit_" + _CHECKS[at][0]), rows)
            elif at == len(found):
                await _press_all(t)
            else:
                await t.printing.slip(title, _slip(t, title, found))
        except t.Leave as left:
            if left.timed_out:
                raise


def _label(t, name, finding):
    verdict = t.tr(_VERDICTS[finding.verdict])
    return spread(t.tr("unit_" + name), verdict, _COLUMNS)


def _note(t, found):
    words = ["%s %s" % (name, _WORDS[finding.verdict])
             for (name, _), finding in zip(_CHECKS, found) if finding.verdict]
    if words:
        t.audit(audit.CHECK, ", ".join(words))


async def _press_all(t):
    # Every key once; what has not come within the prompt time is shown.
    title = t.tr("key_test")
    missing = [name for row in LAYOUT for name in row]
    while missing:
        rows = wrap(" ".join(missing))
        t.screen.show(title, [t.tr("press_each")] + rows[:2])
        try:
            key = await t.ui.key(10000)
        except t.Leave:
            break
        if key in missing:
            missing.remove(key)
            t.beep()
    if missing:
        t.audit(audit.CHECK, "keys not pressed: " + " ".join(missing))
        rows = [t.tr("keys_missing")] + wrap(" ".join(missing)) + wrap(t.tr("key_advice"))
        await t.ui.pages(title, rows)
    else:
        await t.ui.message(title, t.tr("keys_all"))


def _slip(t, title, found):
    lines = slips.head(t, title, dates.text(t.now()))
    for (name, _), finding in zip(_CHECKS, found):
        lines.append((RULE, ""))
        lines.append(slips.pair(t.tr("unit_" + name), t.tr(_VERDICTS[finding.verdict])))
        lines += [(NORMAL, "  " + fact) for fact in finding.facts]
        if finding.advice:
            lines += slips.text(finding.advice.replace("\n", " "))
    return lines + slips.tail(t)
