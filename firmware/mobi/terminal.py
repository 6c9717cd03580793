"""The terminal: puts all parts together and lives the operator's day. It alone knows all parts."""

import struct

from micropython import const

from mobi import VERSION, audit, dates
from mobi import transactions as tx
from mobi.access import NOBODY, Access
from mobi.acquiring import codes
from mobi.acquiring.messages import Composer
from mobi.devices.keypad import Keypad
from mobi.devices.printer import Printer
from mobi.devices.reader import Reader
from mobi.devices.ssd1306 import Ssd1306
from mobi.flows import (
    admin,
    advice,
    cards,
    check,
    guards,
    help,
    menus,
    online,
    printing,
    query,
    refund,
    reports,
    retries,
    sale,
    selfcheck,
    service,
    session,
    settle,
    statistics,
    unfinished,
    void,
)
from mobi.journal.log import Journal, JournalFull
from mobi.journal.vault import Vault
from mobi.keys import Keys
from mobi.link.link import Link
from mobi.loop import Loop, Poller, Queue, idle, sleep_ms
from mobi.settings import Settings
from mobi.ui import font, strings
from mobi.ui.dialogs import Dialogs, Leave
from mobi.ui.screen import Screen
from mobi.ui.text import PAGE, spread

_WATCHDOG_MS = const(8000)
_FEED_MS = const(2000)
_BEEP_MS = const(60)
_MINUTE_MS = const(60000)
_NOTICE_MS = const(5000)
# Turns of the loop that leave garbage worth collecting: a few screens; 20 s of doing nothing.
_LITTER_TURNS = const(50)
# Flows that may have charged somebody when they end unexpectedly, and what they would have made.
_PAYMENTS = {
    "sale": tx.SALE,
    "sale_code": tx.SALE,
    "void": tx.VOID,
    "void_last": tx.VOID,
    "correct_amount": tx.VOID,
    "refund": tx.REFUND,
    "refund_code": tx.REFUND,
    "balance": tx.BALANCE,
}

# Where the vault keeps a time the terminal is sure to be past, and one it doubts (0: none): seconds
# since 2000, 4 bytes each; see `mobi.dates.surely`.
CLOCK = b"t"
# A host's time this near the clock's leaves it alone, s.
_DRIFT = const(2)
# The time of a transaction that differs from its host's by this much is the host's, s.
_HOST_DIFFERS = const(300)
_DAY = const(86400)

# Names in the menus -> what they run.
FLOWS = {
    "sale": sale.run,
    "balance": sale.balance,
    "void": void.by_voucher,
    "void_last": void.last,
    "void_chosen": void.chosen,
    "correct_amount": void.correct,
    "undo": void.undo,
    "refund": refund.run,
    "refund_code": refund.by_code,
    "sale_code": sale.by_code,
    "approved": sale.late,
    "owed_slips": sale.offer_slip,
    "case": unfinished.show,
    "check_voucher": check.run,
    "reprint": printing.reprint,
    "unfinished": unfinished.run,
    "browse": query.browse,
    "by_voucher": query.by_voucher,
    "totals": query.totals,
    "reprint_last": printing.reprint_last,
    "reprint_any": printing.reprint_any,
    "print_detail": printing.print_detail,
    "print_totals": printing.print_totals,
    "reprint_settlement": printing.reprint_settlement,
    "reprint_details": printing.reprint_details,
    "settle": settle.run,
    "sign_on": session.sign_on,
    "sign_off": session.sign_off,
    "echo": session.echo,
    "lock": session.lock,
    "change_password": session.change_password,
    "change_operator": session.change_operator,
    "download": session.download,
    "operators": admin.operators,
    "parameters": admin.parameters,
    "print_parameters": admin.print_parameters,
    "master_key": admin.master_key,
    "audit_trail": admin.audit_trail,
    "clear_journal": admin.clear_journal,
    "self_check": selfcheck.run,
    "statistics": statistics.run,
    "help": help.run,
    "language": admin.language,
    "version": admin.version,
}


class Terminal:
    """All parts, and what they share. ``board``: see `boards/unix/board.py`."""

    Leave = Leave

    def __init__(self, board):
        self.board = board
        board.terminal = self
        self.clock = board.clock
        self.poller = Poller(board.poll)
        self.loop = Loop(board.clock, self.poller.sleep)
        self.loop.on_death = self._death
        self.inputs = Queue(32)
        self.display = Ssd1306(board.i2c)
        self.screen = Screen(self.display)
        self.keypad = Keypad(board.rows, board.columns, self.inputs, board.clock, self.poller.wake)
        # The printer's answers come in on the reader's line.
        self.printer = Printer(board.aux_uart, board.aux_baud, font.gbk)
        aux = self.poller.watch(board.aux_uart)
        self.reader = Reader(board.aux_uart, aux, self.inputs, self.printer.take)
        self.vault = Vault(board.vault_flash, board.flash_unit)
        self.settings = Settings(self.vault)
        self.ui = Dialogs(self.screen, self.inputs, self.beep, self.tr)
        self.printing = printing.Printing(self)
        self.last_fault = ""
        self.ready = False  # vault and journal can be used
        self.boot_notes = []  # for the audit trail, which begins once there is a journal
        self.findings = []  # what the next operator is told once
        self.stuck = []  # keys that are held for too long, until the operator was told
        self.keypad.on_stuck = self.stuck.append
        self.clock_stood = False  # while the power was off, and nobody has told the time since
        self.clock_off = None  # s the clock was ahead of the host's when that was told last
        self.sure = (0, 0)  # as CLOCK
        self.reminded = 0  # the day on which settling was asked for, in days since 2000
        self.report_at = None  # when reports that could not be sent are tried again, in ticks
        self.notice = ()  # rows that the idle screen shows for some seconds
        self.reversed = []  # what was reversed by itself, until the idle screen has told it
        self.to_prove = []  # what the host closed by 12: it is asked once what became of it
        self.next_try = None  # when the next reversal goes out by itself, in ticks
        self._beep_until = None

    def run(self):
        """Run for ever."""
        self.loop.run(self.start())

    def start(self):
        """Start all tasks; the one that the others serve."""
        loop = self.loop
        feed = self.board.watchdog(_WATCHDOG_MS)
        loop.spawn("watchdog", self._feed(feed), vital=True)
        loop.spawn("screen", self.screen.run(), vital=True)
        loop.spawn("display", self.display.watch(self.screen.changed), vital=True)
        loop.spawn("keypad", self.keypad.run(), vital=True)
        loop.spawn("reader", self.reader.run(), vital=True)
        return loop.spawn("terminal", self._life(), vital=True)

    # -- services for the flows ------------------------------------------------------------------

    def tr(self, name):
        """A text in the operator's language."""
        return strings.lookup(name, self.settings.get("language"))

    def now(self):
        """Seconds since 2000, local time."""
        y, mo, d, _, h, mi, s, _ = self.board.rtc.datetime()
        return dates.seconds(y, mo, d, h, mi, s)

    def date_text(self, time):
        """A date and time for people."""
        return dates.text(time)

    def set_time(self, time):
        """Set the clock to ``time`` (seconds since 2000)."""
        y, mo, d, h, mi, s = dates.parts(time)
        self.board.rtc.datetime((y, mo, d, 0, h, mi, s, 0))

    def set_host_time(self, stamp):
        """Set the clock by the MMDDhhmmss of a host's reply; "" changes nothing."""
        time = dates.of_host(stamp, self.sure[0])
        if time is None:
            return
        self.clock_off = self.now() - time
        if abs(self.clock_off) > _DRIFT:
            self.set_time(time)
        self.clock_stood = False
        self.sure = dates.surely(time, *self.sure)

    def _stored_time(self):
        stored = self.vault.get(CLOCK) or b""
        known = int.from_bytes(stored[:4], "little")
        if len(stored) < 8:
            # Kept by an older firmware, or by none: the journal may know better.
            known = max(known, self.journal.newest_time())
        return known, int.from_bytes(stored[4:8], "little")

    def keep_time(self):
        """Make durable what is known of the time; once a day at most while nothing is in doubt."""
        stored = self.vault.get(CLOCK) or b""
        known, doubted = self.sure
        if len(stored) == 8:
            before, doubt = struct.unpack("<II", stored)
            if doubt == doubted and known - before < _DAY:
                return
        self.vault.put(CLOCK, struct.pack("<II", known, doubted))

    def time_of(self, txn):
        """When ``txn`` was, seconds since 2000: by the host's clock where it differs much."""
        if txn.host_time:
            time = dates.of_host(txn.host_time, txn.time)
            if time is not None and abs(time - txn.time) > _HOST_DIFFERS:
                return time
        return txn.time

    def beep(self):
        """A short beep."""
        self.board.beeper.value(1)
        self._beep_until = self.loop.after(_BEEP_MS)
        self.loop.spawn("beep", self._silence())

    async def _silence(self):
        await sleep_ms(_BEEP_MS)
        if self.loop.left(self._beep_until) <= 0:
            self.board.beeper.value(0)

    def settings_changed(self):
        """Parameters were changed: take over what is kept outside of ``settings``."""
        self.ui.prompt_ms = self.settings.get("prompt_seconds") * 1000
        self.composer.setup = self._identity()
        self.printer.answers = self.settings.get("printer_answers") != 0

    def fault(self, where, error):
        """Note what went wrong in an exchange: for the screen, the log and the journal."""
        self.last_fault = codes.fault_text(error)
        self.audit(audit.FAULT, "%s %s" % (where, self.last_fault))

    def audit(self, kind, words, supervisor=NOBODY, txn=None):
        """Add to the audit trail, see `mobi.audit`. False when the journal has no room for it."""
        if not self.ready:
            return False
        text = audit.pack(self.session.operator, supervisor, words)
        return self.journal.note(kind, text, txn)

    def report(self, text):
        """Tell the acquirer (0820/362) as soon as the terminal is idle; ASCII, 60 characters."""
        reports.tell(self, text)

    def explain(self, error):
        """A text for a person about a failed exchange."""
        code = codes.of_error(error)
        text = self.code_text(code)
        if code in (codes.MISMATCH, codes.BAD_MAC):
            text += "\n" + codes.fault_text(error)
        return text

    def code_text(self, code):
        """What a response code or a local code means."""
        return codes.text(code, self.settings.get("language"))

    async def tell_code(self, title, code, txn=None):
        """Show what the host has answered, or the terminal's own code, and what to do now.

        ``txn``: the transaction that ended so; None: it was no transaction."""
        await advice.tell(self, title, code, txn)

    async def tell_refused(self, title, refused):
        """Show why the terminal does not do something now."""
        if refused.code:
            await advice.tell(self, title, refused.code, refused.txn, refused.message,
                              refused.before)
        else:
            await self.ui.message(title, refused.text, beep=True)

    async def go(self, name, *args):
        """Run the flow ``name`` from within another one."""
        await FLOWS[name](self, *args)

    @property
    def language(self):
        """0 Chinese, 1 English."""
        return self.settings.get("language")

    def state_text(self, txn):
        """The state of a transaction in words."""
        return self.tr("state_" + tx.STATE_NAMES[txn.state])

    def measurements(self):
        """Numbers for the version screen and for measurements from outside."""
        return {
            "turns": self.loop.turns,
            "longest_turn_us": self.loop.longest_turn_us,
            "longest_turn": self.loop.longest_turn_name,
            "slept_us": self.loop.slept_us,
        }

    # -- life ----------------------------------------------------------------------------------

    async def _feed(self, feed):
        while True:
            feed()
            await sleep_ms(_FEED_MS)

    def _death(self, task):
        # A terminal that lost one of its tasks must not go on looking alive. It stops feeding the
        # watchdog, which restarts it.
        text = "%s: %r" % (task.name, task.error)
        print("task died:", text)
        self.beep()
        phone = self.tr("service_call") % self.settings.get("service_phone")
        self.screen.show(self.tr("fault_title"), (text[:16], self.tr("fault_saved"), phone))
        while self.display.flush_step():
            pass
        service.last_words(self, text)
        raise task.error or RuntimeError(text)

    async def _life(self):
        await self._boot()
        while True:
            try:
                await self._once()
            except Leave:
                pass  # back to where the operator's next step begins

    async def _boot(self):
        self.screen.show("Mobi 末笔", ("", "     ...", ""))
        await idle()  # it is on the panel: what follows takes a while
        found = self.vault.mount()
        self.access = Access(self.vault, self.now, self.board.random)
        self.keys = Keys(self.vault, self.board.random)
        self.session = session.Session(self.vault, self.keys)
        self.journal = Journal(self.board.journal_flash, self.board.flash_unit, self.keys, self.now)
        verdict = self.journal.mount()
        self.sure = self._stored_time()
        past = max(self.journal.newest_time(), self.sure[0])
        if self.now() < past:
            # There is no battery: what the clock says now is the time when it was last used.
            self.set_time(past)
            self.clock_stood = True
        number = int.from_bytes(self.board.random(4), "little") % ((1 << 30) - 1) + 1
        line = self.poller.watch(self.board.host_uart)
        self.link = Link(self.board.host_uart, self.loop, line, number)
        self.loop.spawn("link", self.link.run(), vital=True)
        self.composer = Composer(self._identity(), self.keys)
        self.printer.answers = self.settings.get("printer_answers") != 0
        self.ui.prompt_ms = self.settings.get("prompt_seconds") * 1000
        await service.repair(self, found, verdict)
        self.ready = True
        if not self.keys.has_card_key:
            self.keys.new_card_key()
        self.findings = service.findings(self, found, verdict)
        self.findings += await selfcheck.at_boot(self)
        where = "terminal %s, Mobi %s" % (self.settings.get("terminal"), VERSION)
        self.audit(audit.BOOT, "; ".join([where, verdict.text[:40]] + self.boot_notes))
        online.recover(self)
        self.printing.at_boot()
        self.loop.spawn("housekeeping", self._housekeeping(), vital=True)

    def _identity(self):
        return Identity(self.settings)

    async def _housekeeping(self):
        # Erasing ahead, checking, collecting garbage: only when nothing else is going on and the
        # host is not entitled to talk (interrupts are off while the flash chip works).
        swept = 0
        while True:
            await idle()
            retries.keep(self)
            reports.keep(self)
            if self.link.busy or not (self.journal.idle() or self.vault.idle()):
                if self.loop.turns - swept >= _LITTER_TURNS:
                    self.board.collect()
                    swept = self.loop.turns
                await sleep_ms(1000)
            else:
                await sleep_ms(50)

    async def _once(self):
        if self.session.operator == NOBODY:
            await session.log_in(self)
            await service.tell(self)
            if not session.is_administrator(self):
                if not self.session.trusted:
                    await self._do("sign_on")
                elif self.clock_stood:
                    await session.ask_time(self)
                await sale.offer_slip(self)
                await unfinished.offer_slip(self)
                await settle.offer_slip(self)
        elif session.is_administrator(self):
            await self._system()
        elif self.journal.settlement_open:
            # Nothing else is possible until it is done; it needs the host's trust, too.
            possible = self.session.trusted or settle.ended(self)
            await self._locked_to("settle" if possible else "sign_on")
        elif not self.session.trusted:
            await self._not_signed_on()
        else:
            await self._idle()

    async def _do(self, name, *args):
        number = self.journal.next_trace
        try:
            await FLOWS[name](self, *args)
        except online.Refused as refused:
            await self.tell_refused(self.tr(name), refused)
        except JournalFull:
            room = online.no_room(self, _PAYMENTS.get(name, tx.SALE))
            await self.tell_refused(self.tr(name), room)
        except Leave as left:
            if left.timed_out and name in _PAYMENTS and self.journal.next_trace == number:
                # Somebody may wonder whether it was sent.
                self._note(codes.PROMPT_TIMEOUT, _PAYMENTS[name])
            raise

    def _note(self, code, kind):
        # For the idle screen: about a transaction of that kind that has not begun.
        self.notice = advice.rows(self, code, tx.Transaction(kind))[:PAGE]

    async def _system(self):
        try:
            name = await menus.walk(self, self.tr("system"), menus.SYSTEM)
        except Leave as left:
            if left.timed_out:
                session.log_out(self)  # nobody is there: the parameters are not left open
            raise
        await self._do(name)

    async def _locked_to(self, name):
        # Any key goes on with it; CANCEL lets somebody else log in.
        rows = (self.tr("settlement_short"), self.tr("any_key"), self.tr("cancel_logs_out"))
        self.screen.show(self.tr(name), rows)
        if await self.ui.key(_MINUTE_MS) == "CANCEL":
            session.log_out(self)
        else:
            await self._do(name)

    async def _not_signed_on(self):
        self.inputs.clear()
        self.screen.show(
            self._head(), (self.tr("not_signed_on"), self.tr("any_key_signs_on"), self._badge())
        )
        key = await self.ui.key(_MINUTE_MS)
        if key == "FN":
            await self._do(await menus.walk(self, self.tr("manage"), menus.MANAGE))
        elif key == "UP" or key == "DOWN":
            await self._do(await menus.walk(self, self.tr("menu"), menus.MAIN))
        else:
            await self._do("sign_on")

    async def _idle(self):
        if self.stuck:
            await selfcheck.tell_stuck(self)
        if await settle.wants(self):
            await self._do("settle")
            return
        late = retries.due(self)
        if late is not None:
            await unfinished.try_due(self, late)
            if not self.session.trusted:
                return  # the host wants another sign-on first
        if self.to_prove:
            await unfinished.prove(self)
        if self.session.download_due:
            await self._do("download")
        if reports.due(self):
            await reports.send(self)
        self.keep_time()
        self.inputs.clear()
        self.display.refresh()  # it may have lost its memory and its settings without a sign
        card = spread(self.tr("idle_card"), self._printer_trouble() or self._line_quality())
        rows = (card, self._badge(), self.tr("idle_keys"))
        longest = _MINUTE_MS
        told = not self.notice and self.reversed
        if told:
            rows = unfinished.back_rows(self)
        if self.notice:
            rows = self.notice
            longest = _NOTICE_MS
            self.notice = ()
        self.screen.show(self._head(), rows)
        got = await self.ui.input(retries.wait_ms(self, longest))
        if told and isinstance(got, str):
            await unfinished.told_back(self, got)
            if got in ("ENTER", "CANCEL"):
                return
        if isinstance(got, tuple):
            if got[0] == "card":
                await self._do("sale", got[1])
            elif got[0] == "scan":
                await self._do("sale_code", got[1])
            else:
                self.beep()
                self._note(cards.misread(got), tx.SALE)
        elif got == "ENTER":
            await self._do(await menus.walk(self, self.tr("menu"), menus.MAIN))
        elif got == "FN":
            await self._do(await menus.walk(self, self.tr("manage"), menus.MANAGE))
        elif len(got) == 1 and "1" <= got <= "8":
            label, target = menus.MAIN[int(got) - 1]
            if not isinstance(target, str):
                target = await menus.walk(self, self.tr(label), target)
            await self._do(target)
        else:
            for key, name in menus.KEYS:
                if key == got:
                    await self._do(name)
                    return
            self.beep()

    def _head(self):
        clock = dates.text(self.now())[11:]
        return spread(self.tr("brand"), clock)

    def _badge(self):
        # What has to be done first.
        count = len(self.journal.cases())
        if count:
            return self.tr("badge") % count
        if self.printing.owing:
            return self.tr("badge_slip")
        if guards.from_earlier_day(self):
            return self.tr("badge_day")
        if guards.is_full(self):
            return self.tr("badge_full")
        return self.tr("badge_nearly") if guards.nearly_full(self) else ""

    def _printer_trouble(self):
        found = self.printing.put_off
        if found in ("", "print_again"):
            return ""
        return self.tr("idle_no_paper" if found == "printer_paper" else "idle_no_printer")

    def _line_quality(self):
        quality = self.link.stats.quality()
        if quality is None:
            return ""
        return self.tr("line_quality") % quality if self.link.alive else self.tr("line_is_down")


class Identity:
    """What the messages carry about this terminal."""

    def __init__(self, settings):
        self.tid = settings.get("terminal")
        self.mid = settings.get("merchant")
        digits = settings.get("tpdu")
        self.tpdu = bytes(int(digits[i : i + 2], 16) for i in range(0, 10, 2))
        self.reader = 2  # field 60.4: magnetic stripe
        self.request_time = settings.get("request_time")
        self.closing_mac = settings.get("closing_mac")
