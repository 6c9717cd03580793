"""The keys of the terminal: master key (TMK), working keys (PIK, MAK), the card-number key.

They lie in the vault, apart from the journal: whoever copies the journal's flash has no key to it.
A Pico has no secure element, so whoever has the vault's bytes has the keys; docs/security.md says
what that means. Key bytes are never printed, shown or logged; people see key check values.
"""

from cryptolib import aes
from micropython import const

from mobi.acquiring import security

_MASTER = b"kT"
# Both working keys in one record, so that no power cut leaves one of them old: PIK and MAK, 8 + 8,
# 16 + 8 or 16 + 16 bytes.
_WORKING = b"kW"
_CARD = b"kC"
_ECB = const(1)
_SINGLE = const(8)


class Keys:
    """``random(n)`` gives n random bytes."""

    def __init__(self, vault, random):
        self._vault = vault
        self._random = random
        self._aes_encrypt = None
        self._aes_decrypt = None
        self.tmk = None
        self.pik = None
        self.mak = None
        self.read()

    def read(self):
        """Read the keys from the vault again."""
        self.tmk = self._vault.get(_MASTER)
        working = self._vault.get(_WORKING)
        size = 2 * _SINGLE if working and len(working) > 2 * _SINGLE else _SINGLE
        self.pik = working[:size] if working else None
        self.mak = working[size:] if working else None
        self._card(self._vault.get(_CARD))

    @property
    def working(self):
        """Are there working keys?"""
        return self.pik is not None and self.mak is not None

    # -- master and working keys -----------------------------------------------------------------

    def install(self, tmk):
        """Install a master key of 16 bytes; the working keys of the old one are gone."""
        if len(tmk) != 16:
            raise ValueError("the master key has 16 bytes")
        self._vault.put(_MASTER, tmk)
        self.forget()
        self.read()

    def master_kcv(self):
        """Key check value (KCV) of the master key, 8 hexadecimal digits."""
        return security.kcv(self.tmk)

    def working_kcvs(self):
        """Key check values of PIK and MAK."""
        return security.kcv(self.pik), security.kcv(self.mak)

    def load(self, field_62):
        """Take the working keys of a sign-on reply. ``security.BadKeys``: none are kept then."""
        try:
            pik, mak = security.unwrap(self.tmk, field_62)
        except security.BadKeys:
            self.forget()
            raise
        self._vault.put(_WORKING, pik + mak)
        self.read()

    def forget(self):
        """Delete the working keys."""
        self._vault.delete(_WORKING)
        self.pik = None
        self.mak = None

    # -- card numbers at rest ----------------------------------------------------------------------

    def new_card_key(self):
        """A new key for the card numbers of a new batch. The old one is erased from the chip
        before this returns: what it encrypted can never be read again. Where the vault takes no new
        one the old one stays: numbers under a key that only the memory has could not be reversed
        after a power cut."""
        if self._vault.put(_CARD, self._random(16), hold=not self.has_card_key):
            self._vault.shred()
        self._card(self._vault.get(_CARD))

    @property
    def has_card_key(self):
        """Is there a key for card numbers? Without one the journal cannot take any."""
        return self._aes_encrypt is not None

    def _card(self, key):
        if key is not None:
            self._aes_encrypt = aes(key, _ECB)
            self._aes_decrypt = aes(key, _ECB)

    def encrypt(self, block):
        """One block of 16 bytes, for the journal."""
        return self._aes_encrypt.encrypt(block)

    def decrypt(self, block):
        """The inverse of ``encrypt``; None when the key is lost."""
        return None if self._aes_decrypt is None else self._aes_decrypt.decrypt(block)
