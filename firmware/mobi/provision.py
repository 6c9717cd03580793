"""Provisioning: gives a new terminal its numbers, its master key, its operators and its journal.

Called from the console of a board (`mobi flash` types it) and by the bench; the same on both. It
never touches a journal that holds anything to settle.
"""

from binascii import unhexlify

from mobi.access import Access
from mobi.journal.log import EMPTY, Journal
from mobi.journal.vault import Vault
from mobi.keys import Keys
from mobi.settings import Settings
from mobi.terminal import CLOCK


class Refused(Exception):
    """Nothing was changed; the text says why."""


def provision(board, options):
    """Set parameters and keys; gives the key check value of the master key.

    ``options``: parameters by name, those that are not named keep their value; "tmk" as 32
    hexadecimal digits; "merchant_name" as GBK bytes in hexadecimal; "batch" and "trace" to begin
    with; "now" in seconds since 2000. ``Refused`` when transactions are open.
    """
    vault = Vault(board.vault_flash, board.flash_unit)
    if vault.mount() == Vault.EMPTY:
        vault.format()
    keys = Keys(vault, board.random)
    journal = Journal(board.journal_flash, board.flash_unit, keys)
    verdict = journal.mount()
    if verdict.kind == EMPTY:
        keys.new_card_key()
        journal.format(options.get("batch", 1), options.get("trace", 1))
    elif not verdict.usable or _to_settle(journal) or journal.unfinished():
        told = (verdict.name, journal.count)
        raise Refused("the journal is %s with %d transactions: settle first" % told)
    settings = Settings(vault)
    for name in sorted(options):  # the same images on every kind of Python
        value = options[name]
        if name == "tmk":
            keys.install(unhexlify(value))
        elif name == "now":
            vault.put(CLOCK, int(value).to_bytes(8, "little"))
        elif name not in ("batch", "trace"):
            settings.set(name, unhexlify(value) if name == "merchant_name" else value)
    Access(vault, lambda: 0, board.random).install()
    return keys.master_kcv()


def _to_settle(journal):
    sums = journal.totals()
    return sums.debit_count + sums.credit_count > 0
