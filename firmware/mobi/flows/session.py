"""Who is at the terminal and whether the acquirer trusts it: log-in, sign-on, echo, lock."""

import struct

from mobi import audit, settings
from mobi.access import ADMINISTRATOR, NOBODY, SUPERVISOR, Locked, password_length
from mobi.acquiring import codes, parameters
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.acquiring.security import BadKeys
from mobi.flows import guards, online
from mobi.journal.vault import VaultFull
from mobi.link.link import DOWN, LinkError
from mobi.ui.dialogs import Leave

# Processing demands of the host (digit 8 of the header) that the terminal obeys.
_DEMAND_PARAMETERS = (1, 5, 6)
_DEMAND_SIGN_ON = 3
# Answers that say the keys or the batch do not fit: sign on again.
_CODES_SIGN_ON = ("99", "A0", "77")

# Places in the vault.
_SIGNED_ON = b"s"  # b"1": signed on, and not doubted since
_SINCE = b"S"  # when, and the numbers then: seconds since 2000, batch, next trace, 4 bytes each
_DOWNLOAD = b"d"  # b"1": the host wants its parameters fetched
_FETCHED = b"D"  # when they were fetched last


class Session:
    """The operator who is logged in, and the state of the sign-on, which survives power cuts."""

    def __init__(self, vault, keys):
        self._vault = vault
        self._keys = keys
        self.operator = NOBODY
        self.locked = False
        # A download that failed is tried again after the next log-in or demand, not at once.
        self.download_due = vault.get(_DOWNLOAD) == b"1"

    @property
    def trusted(self):
        """Signed on with working keys that have not been doubted since."""
        return self._keys.working and self._vault.get(_SIGNED_ON) == b"1"

    def trust(self, now, batch, trace):
        """A sign-on has succeeded at ``now``, seconds since 2000; the numbers in use by then."""
        self._vault.put(_SINCE, struct.pack("<III", now, batch, trace))
        self._vault.put(_SIGNED_ON, b"1")

    def trust_again(self):
        """A sign-on that was tried has changed nothing: the keys of the last one still hold."""
        self._vault.put(_SIGNED_ON, b"1")

    def distrust(self):
        """Financial messages need a new sign-on first: wrong MAC, the host's demand, sign-off."""
        if self._vault.get(_SIGNED_ON) == b"1":
            self._vault.put(_SIGNED_ON, b"0")

    @property
    def since(self):
        """When the terminal signed on last, seconds since 2000; 0: never."""
        return self._signed()[0]

    @property
    def numbers(self):
        """(batch, next trace) at the last sign-on; (1, 0) before the first."""
        return self._signed()[1:]

    def _signed(self):
        stored = self._vault.get(_SINCE)
        return (0, 1, 0) if stored is None else struct.unpack("<III", stored)

    @property
    def fetched(self):
        """When parameters were fetched last, seconds since 2000; 0: never."""
        return int.from_bytes(self._vault.get(_FETCHED) or b"", "little")

    def obey(self, demand, code):
        """Note what the host demanded in the header of a reply, or by its code."""
        if demand == _DEMAND_SIGN_ON or code in _CODES_SIGN_ON:
            self.distrust()
        elif demand in _DEMAND_PARAMETERS:
            self._vault.put(_DOWNLOAD, b"1")
            self.download_due = True

    def downloaded(self, now):
        """The parameters were fetched at ``now``."""
        self._vault.put(_FETCHED, now.to_bytes(4, "little"))
        self._vault.delete(_DOWNLOAD)
        self.download_due = False

    def remember_download(self):
        """Somebody logged in: a download that failed before is due again."""
        self.download_due = self._vault.get(_DOWNLOAD) == b"1"


# -- passwords -----------------------------------------------------------------------------------


async def password(t, title, number, prompt):
    """Ask for the password of ``number`` until it is right. ``Leave`` when nobody knows it."""
    length = password_length(number)
    while True:
        text = await t.ui.digits(title, prompt, length, length, mask=True)
        try:
            if t.access.check(number, text):
                return
        except Locked as lock:
            _locked_out(t, number)
            minutes = (lock.seconds + 59) // 60
            await t.ui.message(title, t.tr("password_locked") % minutes, beep=True)
            raise Leave()
        wrong = "supervisor_wrong" if number == SUPERVISOR else "password_wrong"
        await t.ui.message(title, t.tr(wrong), beep=True)


def _locked_out(t, number):
    t.audit(audit.ACCESS, "locked out %02d" % number)
    if number in (SUPERVISOR, ADMINISTRATOR):
        t.report("access: wrong passwords for %02d, locked" % number)


async def supervisor(t, title):
    """The supervisor's password (主管密码); the number to put into the journal."""
    await password(t, title, SUPERVISOR, t.tr("supervisor_password"))
    return SUPERVISOR


async def log_in(t):
    """Operator number and password. Gives the operator; never ends without one."""
    title = t.tr("login")
    while True:
        try:
            number = int(await t.ui.digits(title, t.tr("operator_number"), 2, 2))
            if not t.access.exists(number):
                await t.ui.message(title, t.tr("operator_unknown"), beep=True)
                continue
            await password(t, title, number, t.tr("password"))
        except Leave:
            continue
        t.session.operator = number
        t.session.locked = False
        t.session.remember_download()
        t.audit(audit.ACCESS, "log-in")
        await _remind(t, title, number)
        return number


async def _remind(t, title, number):
    # S19: passwords that everybody knows, or that are old.
    if t.access.uses_preset(number):
        await t.ui.message(title, t.tr("preset_password"), seconds=2)
        return
    longest = t.settings.get("password_days")
    days = t.access.password_days(number)
    if longest and days >= longest:
        await t.ui.message(title, t.tr("old_password") % days, seconds=2)


def log_out(t):
    """The operator leaves; the sign-on stays."""
    if t.session.operator != NOBODY:
        t.audit(audit.ACCESS, "log-out")
        t.session.operator = NOBODY


# -- the acquirer --------------------------------------------------------------------------------


async def manage(t, title, name, with_trace=True):
    """A management message; the reply, or None after telling why there is none.

    ``with_trace``: it takes a number of its own; echoes and downloads do not.
    """
    await online.reach(t, title)
    txn = online.about(t)
    if with_trace:
        txn.trace = t.journal.take_trace()
    trusted = t.session.trusted
    if name in ("sign_on", "sign_off"):
        # From now on the host may have other keys than we, whatever happens to its reply.
        t.session.distrust()
    try:
        reply = await online.exchange(t, title, name, txn)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        if trusted and getattr(error, "reason", "") == DOWN:
            t.session.trust_again()
        t.fault(name, error)
        await t.ui.message(title, t.explain(error), beep=True)
        return None
    if trusted and not codes.is_approved(reply.code, 0) and reply.code not in _CODES_SIGN_ON:
        t.session.trust_again()  # the host has refused it: nothing has changed there
    return reply


async def sign_on(t):
    """POS sign-on (签到): working keys, batch number, clock. True when it succeeded."""
    title = t.tr("sign_on")
    if not t.keys.tmk:
        raise online.Refused(t.tr("no_master_key"))
    reply = await manage(t, title, "sign_on")
    if reply is None:
        return False
    if not codes.is_approved(reply.code, 0):
        await t.tell_code(title, reply.code)
        return False
    try:
        t.keys.load(reply.keys)
    except BadKeys as error:
        t.fault("keys", error)
        await t.tell_code(title, codes.BAD_KEYS)
        return False
    t.keep_time()
    if 0 < reply.batch <= 999999 and reply.batch != t.journal.batch:
        if guards.may_change_batch(t):
            t.journal.set_batch(reply.batch)
        elif not t.journal.settlement_open:
            # The batch number of journalled transactions cannot change under them.
            t.audit(audit.SESSION, "batch differs, host %06d" % reply.batch)
            text = t.tr("batch_differs") % (t.journal.batch, reply.batch)
            await t.ui.message(title, text, beep=True)
    t.session.trust(t.now(), t.journal.batch, t.journal.next_trace)
    t.audit(audit.SESSION, "sign-on, batch %06d" % t.journal.batch)
    await t.ui.message(title, t.tr("sign_on_done") % t.journal.batch, seconds=2)
    return True


async def sign_off(t):
    """POS sign-off (签退): reversals first; then the keys are given up and the operator leaves."""
    title = t.tr("sign_off")
    if not t.session.trusted:
        raise online.Refused(t.tr("not_signed_on"))
    if not await t.ui.confirm(title, t.tr("sign_off_sure")):
        return
    await online.clear_reversals(t, title)
    reply = await manage(t, title, "sign_off")
    if reply is None:
        return
    if not codes.is_approved(reply.code, 0):
        await t.tell_code(title, reply.code)
        return
    end_session(t)
    await t.ui.message(title, t.tr("sign_off_done"), seconds=2)


async def sign_off_at_once(t):
    """After a settlement (自动签退): keys and operator go, whatever becomes of the message."""
    title = t.tr("sign_off")
    try:
        await manage(t, title, "sign_off")
    except online.Refused:
        pass  # the line is down; at the next sign-on the host makes new keys all the same
    end_session(t)
    await t.ui.message(title, t.tr("sign_off_done"), seconds=2)


def end_session(t):
    """Forget the working keys and the operator."""
    t.audit(audit.SESSION, "sign-off")
    t.session.distrust()
    t.keys.forget()
    log_out(t)


async def echo(t):
    """Echo test (回响测试): is the acquirer there, and how fast?"""
    title = t.tr("echo")
    began = t.clock.ticks_ms()
    reply = await manage(t, title, "echo", with_trace=False)
    if reply is None:
        return
    took = t.clock.ticks_diff(t.clock.ticks_ms(), began)
    if codes.is_approved(reply.code, 0):
        await t.ui.message(title, t.tr("echo_done") % took)
    else:
        await t.tell_code(title, reply.code)


async def ask_time(t):
    """Set the clock by an echo, in silence. Without an answer the next sign-on sets it."""
    title = t.tr("login")
    try:
        await online.reach(t, title)
    except online.Refused:
        return  # the first transaction asks again
    await online.ask_time(t, title)


async def download(t):
    """Parameter download (参数下载): take over what fits, each change audited."""
    title = t.tr("download")
    t.session.download_due = False  # whatever comes of it, not again and again by itself
    reply = await manage(t, title, "parameters", with_trace=False)
    if reply is None:
        return
    if not codes.is_approved(reply.code, 0):
        await t.tell_code(title, reply.code)
        return
    try:
        pairs = parameters.read(reply.parameters)
    except BadMessage as error:
        t.fault("parameters", error)
        await t.ui.message(title, t.tr("download_unreadable"), beep=True)
        return
    wanted, wrong = settings.downloaded(pairs)
    changed = 0
    for name, value in wanted:
        if change(t, name, value, who="host"):
            changed += 1
    t.session.downloaded(t.now())
    t.settings_changed()
    text = t.tr("download_done") % changed
    if wrong:
        text += "\n" + t.tr("download_misfits") % " ".join(wrong)
    await t.ui.message(title, text, seconds=2)


def change(t, name, value, who=""):
    """Set a parameter, with a note of before and after; False when it is that already.

    ``who``: "host" for a download. ``settings.BadValue``; ``Refused`` when the vault is full.
    """
    entry = settings.row(name)
    before = t.settings.get(name)
    value = settings.check(entry, value)
    if value == before:
        return False
    try:
        t.settings.set(name, value)
    except VaultFull:
        raise online.Refused(t.tr("vault_full"))
    words = (name + " ").encode() + settings.text(entry, before) + b" > "
    words += settings.text(entry, value)
    if who:
        words += b" (%s)" % who.encode()
    t.audit(audit.PARAMETER, words)
    return True


# -- the operator --------------------------------------------------------------------------------


async def change_operator(t):
    """Another operator takes over; the sign-on stays."""
    log_out(t)


async def lock(t):
    """Lock the terminal (锁定终端): only this operator or the supervisor opens it again."""
    title = t.tr("lock")
    t.session.locked = True
    t.audit(audit.ACCESS, "lock")
    while t.session.locked:
        t.screen.show(title, (t.tr("locked"), t.tr("any_key_unlocks")))
        try:
            await t.ui.key(24 * 3600 * 1000)
            number = int(await t.ui.digits(title, t.tr("operator_number"), 2, 2))
            if number not in (t.session.operator, SUPERVISOR):
                await t.ui.message(title, t.tr("lock_not_yours"), beep=True)
                continue
            await password(t, title, number, t.tr("password"))
            t.session.locked = False
            t.audit(audit.ACCESS, "unlock by %02d" % number)
        except Leave:
            pass  # stays locked


async def change_password(t):
    """Change one's own password (修改密码); asks for the old one first, for the new one twice."""
    title = t.tr("change_password")
    number = t.session.operator
    await password(t, title, number, t.tr("password_old"))
    await new_password(t, title, number, audit.PASSWORD, "changed %02d")


async def new_password(t, title, number, kind, words, supervisor=NOBODY):
    """Ask twice for a new password, set it, and note it in the audit trail as ``words``."""
    length = password_length(number)
    prompt = t.tr("password_new") % length
    first = await t.ui.digits(title, prompt, length, length, mask=True)
    if t.access.is_password(number, first):
        await t.ui.message(title, t.tr("password_same"), beep=True)
        return
    again = await t.ui.digits(title, t.tr("password_again"), length, length, mask=True)
    if first != again:
        await t.ui.message(title, t.tr("password_differs"), beep=True)
        return
    try:
        t.access.set_password(number, first)
    except VaultFull:
        raise online.Refused(t.tr("vault_full"))
    t.audit(kind, words % number, supervisor)
    await t.ui.message(title, t.tr("password_changed"))


def is_administrator(t):
    """Is the system administrator logged in? Then the system menu is shown and nothing sells."""
    return t.session.operator == ADMINISTRATOR
