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
_RECORD = "<4s8sBI"  # salt, hash, wrong tries in a row, locked until (s since 2000)

# What a new terminal knows. They are flagged until they are changed.
PRESETS = ((0, "123456"), (1, "0000"), (2, "0000"), (3, "0000"), (4, "0000"), (5, "0000"),
           (99, "00000000"))


def password_length(number):
    """Digits of this operator's password."""
    if number == SUPERVISOR:
        return 6
    return 8 if number == ADMINISTRATOR else 4


def lock_seconds(wrong):
    """How long the account is locked after that many wrong tries in a row: 0, then 1, 2, 4 ... min."""
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
        return sorted(int(bytes(key[1:])) for key in self._vault.keys(b"o"))

    def exists(self, number):
        """Is there such an operator?"""
        return self._vault.get(_key(number)) is not None

    def set_password(self, number, password):
        """Make the operator or change its password; ends a lock-out."""
        salt = self._random(4)
        self._put(number, salt, _hash(salt, password), 0, 0)

    def delete(self, number):
        """Remove the operator."""
        self._vault.delete(_key(number))

    def uses_preset(self, number):
        """Does a preset operator still have the password everybody knows?"""
        for preset, password in PRESETS:
            if preset == number:
                record = self._vault.get(_key(number))
                if record is None:
                    return False
                salt, digest, _, _ = struct.unpack(_RECORD, record)
                return digest == _hash(salt, password)
        return False

    def check(self, number, password):
        """True for the right password. ``Locked`` while locked, and when this try locks it.

        The count of wrong tries is durable before the answer is known, so that cutting the power
        gains no try.
        """
        record = self._vault.get(_key(number))
        if record is None:
            return False
        salt, digest, wrong, until = struct.unpack(_RECORD, record)
        left = until - self._now()
        if wrong >= _TRIES and left > 0:
            raise Locked(min(left, _LONGEST_LOCK_S))
        if digest == _hash(salt, password):
            if wrong:
                self._put(number, salt, digest, 0, 0)
            return True
        wrong = min(wrong + 1, 250)
        seconds = lock_seconds(wrong)
        self._put(number, salt, digest, wrong, self._now() + seconds)
        if seconds:
            raise Locked(seconds)
        return False

    def _put(self, number, salt, digest, wrong, until):
        self._vault.put(_key(number), struct.pack(_RECORD, salt, digest, wrong, until))


def _key(number):
    return b"o%02d" % number


def _hash(salt, password):
    return hashlib.sha256(salt + password.encode()).digest()[:8]
