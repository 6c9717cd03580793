"""Who is at the terminal and whether the acquirer trusts it: login, sign-on, sign-off, echo, lock."""

from mobi import transactions as tx
from mobi.access import ADMINISTRATOR, NOBODY, SUPERVISOR, Locked, password_length
from mobi.acquiring import codes
from mobi.acquiring.messages import BadMac, BadMessage, Rejected
from mobi.acquiring.security import BadKeys
from mobi.flows import online
from mobi.link.link import LinkError
from mobi.ui.dialogs import Leave

# Processing demands of the host (digit 8 of the header) that the terminal obeys.
_DEMAND_PARAMETERS = (1, 5, 6)
_DEMAND_SIGN_ON = 3
# Answers that say the keys or the batch do not fit: sign on again.
_CODES_SIGN_ON = ("99", "A0", "77")

_SIGNED_ON = b"s"


class Session:
    """The operator who is logged in, and the state of the sign-on. The latter survives power cuts."""

    def __init__(self, vault, keys):
        self._vault = vault
        self._keys = keys
        self.operator = NOBODY
        self.locked = False
        self.wants_parameters = False

    @property
    def trusted(self):
        """Signed on with working keys that have not been doubted since."""
        return self._keys.working and self._vault.get(_SIGNED_ON) == b"1"

    def trust(self):
        """A sign-on has succeeded."""
        self._vault.put(_SIGNED_ON, b"1")

    def distrust(self):
        """Financial messages need a new sign-on first: wrong MAC, the host's demand, sign-off."""
        if self._vault.get(_SIGNED_ON) == b"1":
            self._vault.put(_SIGNED_ON, b"0")

    def obey(self, demand, code):
        """Note what the host demanded in the header of a reply, or by its code."""
        if demand == _DEMAND_SIGN_ON or code in _CODES_SIGN_ON:
            self.distrust()
        elif demand in _DEMAND_PARAMETERS:
            self.wants_parameters = True


# -- passwords -----------------------------------------------------------------------------------


async def password(t, title, number, prompt):
    """Ask for the password of ``number`` until it is right. ``Leave`` when the operator gives up."""
    length = password_length(number)
    while True:
        text = await t.ui.digits(title, prompt, length, length, mask=True)
        try:
            if t.access.check(number, text):
                return
        except Locked as lock:
            minutes = (lock.seconds + 59) // 60
            await t.ui.message(title, t.tr("password_locked") % minutes, beep=True)
            raise Leave()
        await t.ui.message(title, t.tr("password_wrong"), beep=True)


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
        if t.access.uses_preset(number):
            await t.ui.message(title, t.tr("preset_password"), seconds=2)
        return number


# -- the acquirer --------------------------------------------------------------------------------


async def manage(t, title, name):
    """A management message that takes a trace number; the reply, or None after telling why not."""
    await online.reach(t, title)
    txn = tx.Transaction(0)
    txn.operator = t.session.operator
    txn.batch = t.journal.batch
    txn.trace = t.journal.take_trace()
    try:
        return await online.exchange(t, title, name, txn)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        t.fault(name, error)
        await t.ui.message(title, t.explain(error), beep=True)
        return None


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
        t.session.distrust()
        t.fault("keys", error)
        await t.ui.message(title, t.tr("keys_wrong"), beep=True)
        return False
    t.set_host_time(reply.host_time)
    if reply.batch and reply.batch != t.journal.batch:
        if t.journal.count:
            # The batch number of journalled sales cannot change under them.
            await t.ui.message(title, t.tr("batch_differs") % (t.journal.batch, reply.batch))
        else:
            t.journal.set_batch(reply.batch)
    t.session.trust()
    await t.ui.message(title, t.tr("sign_on_done") % t.journal.batch, seconds=2)
    return True


async def sign_off(t):
    """POS sign-off (签退): the working keys are given up, the operator leaves."""
    title = t.tr("sign_off")
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


def end_session(t):
    """Forget the working keys and the operator."""
    t.session.distrust()
    t.keys.forget()
    t.session.operator = NOBODY


async def echo(t):
    """Echo test (回响测试): is the acquirer there, and how fast?"""
    title = t.tr("echo")
    began = t.clock.ticks_ms()
    await online.reach(t, title)
    txn = tx.Transaction(0)
    txn.batch = t.journal.batch
    try:
        reply = await online.exchange(t, title, "echo", txn)
    except (LinkError, Rejected, BadMessage, BadMac) as error:
        await t.ui.message(title, t.explain(error), beep=True)
        return
    took = t.clock.ticks_diff(t.clock.ticks_ms(), began)
    if codes.is_approved(reply.code, 0):
        await t.ui.message(title, t.tr("echo_done") % took)
    else:
        await t.tell_code(title, reply.code)


async def change_operator(t):
    """Another operator takes over; the sign-on stays."""
    t.session.operator = NOBODY


async def lock(t):
    """Lock the terminal (锁定终端): only this operator or the supervisor opens it again."""
    title = t.tr("lock")
    t.session.locked = True
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
        except Leave:
            pass  # stays locked


async def change_password(t):
    """Change one's own password (修改密码); asks for the old one first, for the new one twice."""
    title = t.tr("change_password")
    number = t.session.operator
    await password(t, title, number, t.tr("password_old"))
    await new_password(t, title, number)


async def new_password(t, title, number):
    """Ask twice for a new password and set it."""
    length = password_length(number)
    first = await t.ui.digits(title, t.tr("password_new"), length, length, mask=True)
    again = await t.ui.digits(title, t.tr("password_again"), length, length, mask=True)
    if first != again:
        await t.ui.message(title, t.tr("password_differs"), beep=True)
        return
    t.access.set_password(number, first)
    await t.ui.message(title, t.tr("password_changed"))


def is_administrator(t):
    """Is the system administrator logged in? Then the system menu is shown and nothing sells."""
    return t.session.operator == ADMINISTRATOR
