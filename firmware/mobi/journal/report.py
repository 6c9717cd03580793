"""What the journal tells about itself: start-up verdict, batch totals, health of the flash."""

from mobi.journal.startup import CLEAN, DAMAGED, EMPTY, FOREIGN, OTHER_VERSION, REPAIRED

_NAMES = {
    CLEAN: "clean",
    REPAIRED: "repaired",
    DAMAGED: "damaged",
    EMPTY: "empty",
    FOREIGN: "foreign",
    OTHER_VERSION: "version",
}


class Verdict:
    """What start-up found. ``kind``: CLEAN, REPAIRED, DAMAGED, EMPTY, FOREIGN or OTHER_VERSION."""

    def __init__(self, kind, damage, bad, read_only):
        self.kind = kind
        self.name = _NAMES[kind]
        # (sector, offset) of every place that should have been readable and is not.
        self.damage = damage
        # Sectors that are not used any more because they failed.
        self.bad = bad
        # True: nothing can be written any more.
        self.read_only = read_only

    @property
    def usable(self):
        """Is there a journal to work with?"""
        return self.kind <= DAMAGED

    @property
    def text(self):
        """One line for a log."""
        text = self.name
        if self.damage:
            text += " at " + ", ".join("%d+%d" % place for place in self.damage)
        if self.bad:
            text += "; %d bad sectors" % len(self.bad)
        if self.read_only:
            text += "; read only"
        return text


class Totals:
    """Counts and amounts (分) of the approved transactions of a batch."""

    def __init__(self, values):
        self.sale_count, self.sale_amount = values[0:2]
        self.void_count, self.void_amount = values[2:4]
        self.refund_count, self.refund_amount = values[4:6]

    @property
    def debit_count(self):
        """Sales, voided ones too (field 48)."""
        return self.sale_count

    @property
    def debit_amount(self):
        """See ``debit_count``."""
        return self.sale_amount

    @property
    def credit_count(self):
        """Voids and refunds (field 48)."""
        return self.void_count + self.refund_count

    @property
    def credit_amount(self):
        """See ``credit_count``."""
        return self.void_amount + self.refund_amount


class Health:
    """What the self-check shows about the flash."""

    def __init__(self, sectors, bad, spare, wear, damage, read_only):
        self.sectors = sectors
        self.bad = bad
        self.spare = spare  # sectors that hold nothing and can be used
        self.wear = wear  # erases by sector; None where it has no head just now
        self.damage = damage
        self.read_only = read_only

    @property
    def low(self):
        """Should somebody be told? So many sectors are bad that the next failures will hurt."""
        return self.read_only or len(self.bad) * 8 >= self.sectors
