"""Who may do what: operators, their passwords, and lock-outs that grow and survive a power cut.

Operators (操作员) 01 to 97 sell; the supervisor (主管) 00 authorises voids, refunds and releases
and manages operators; the administrator (系统管理员) 99 sets parameters and keys. Passwords lie
salted and hashed in the vault. A four-digit password can be tried out by whoever has the
vault's bytes; what protects it on the terminal is the lock-out.
"""

import hashlib
import struct

from micropython import const

SUPERVISOR = const(0)
ADMINISTRATOR = const(99)
NOBODY = const(255)

_TRIES = const(3)  # wrong passwords until the first lock
_FIRST_LOCK_S = const(60)
_LONGEST_LOCK_S = const(3600)
# Salt, hash, wrong tries in a row, locked until (s since 2000), day the password was set. Small: a
# hundred operators have to fit into the vault.
_RECORD = "<3s6sBIH"
_SALT = const(3)
_HASH = const(6)
_DAY = const(86400)

# What a new terminal knows. They are flagged until they are changed.
PRESETS = ((0, "123456"), (1, "0000"), (2, "0000"), (3, "0000"), (4, "0000"), (5, "0000"),
           (99, "00000000"))


def password_length(number):
    """Digits of this operator's password."""
    if number == SUPERVISOR:
        return 6
    return 8 if number == ADMINISTRATOR else 4


def lock_seconds(wrong):
    """Seconds that so many wrong tries in a row lock an account: 0, then 60, 120 ... 3600."""
    if wrong < _TRIES:
        return 0
    return min(_FIRST_LOCK_S << (wrong - _TRIES), _LONGEST_LOCK_S)


class Locked(Exception):
    """Too many wrong passwords; ``seconds`` are left."""

    def __init__(self, seconds):
        super().__init__(seconds)
        self.seconds = seconds


class Access:
    """``now()`` gives seconds since 2000; ``random(n)`` n random bytes."""

    def __init__(self, vault, now, random):
        self._vault = vault
        self._now = now
        self._random = random

    def install(self):
        """Make the preset operators on a new terminal; touches nothing that is there."""
        for number, password in PRESETS:
            if self._vault.get(_key(number)) is None:
                self.set_password(number, password)

    def operators(self):
        """The numbers of all operators in order."""
        return sorted(key[1] for key in self._vault.keys(b"o"))

    def exists(self, number):
        """Is there such an operator?"""
        return self._read(number) is not None

    def set_password(self, number, password):
        """Make the operator or change its password; ends a lock-out."""
        salt = self._random(_SALT)
        self._put(number, salt, _hash(salt, password), 0, 0, self._now() // _DAY)

    def delete(self, number):
        """Remove the operator."""
        self._vault.delete(_key(number))

    def uses_preset(self, number):
        """Does a preset operator still have the password everybody knows?"""
        for preset, password in PRESETS:
            if preset == number:
                return self.is_password(number, password)
        return False

    def is_password(self, number, password):
        """Is that the operator's password now? Counts as no try: not for asking people."""
        record = self._read(number)
        return record is not None and record[1] == _hash(record[0], password)

    def password_days(self, number):
        """Whole days since the password was set; 0 when the clock has gone back since."""
        record = self._read(number)
        return max(0, self._now() // _DAY - record[4]) if record is not None else 0

    def has_administrator(self):
        """Is there an administrator to log in? Without one nobody could mend anything."""
        return self._read(ADMINISTRATOR) is not None

    def check(self, number, password):
        """True for the right password. ``Locked`` while locked, and when this try locks it.

        The count of wrong tries is durable before the answer is known, so that cutting the power
        gains no try.
        """
        record = self._read(number)
        if record is None:
            return False
        salt, digest, wrong, until, since = record
        left = until - self._now()
        if left > 0:
            longest = lock_seconds(wrong)
            if left > longest:
                # The clock went back when power was lost: the lock begins again, no longer.
                left = longest
                self._put(number, salt, digest, wrong, self._now() + left, since)
            if left:
                raise Locked(left)
        if digest == _hash(salt, password):
            if wrong:
                self._put(number, salt, digest, 0, 0, since)
            return True
        wrong = min(wrong + 1, 250)
        seconds = lock_seconds(wrong)
        self._put(number, salt, digest, wrong, self._now() + seconds, since)
        if seconds:
            raise Locked(seconds)
        return False

    def _read(self, number):
        record = self._vault.get(_key(number))
        if record is None or len(record) != struct.calcsize(_RECORD):
            return None
        return struct.unpack(_RECORD, record)

    def _put(self, number, salt, digest, wrong, until, since):
        self._vault.put(_key(number), struct.pack(_RECORD, salt, digest, wrong, until, since))


def _key(number):
    return bytes((0x6F, number))  # "o"


def _hash(salt, password):
    return hashlib.sha256(salt + password.encode()).digest()[:_HASH]
