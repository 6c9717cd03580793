"""Everything around the firmware: the acquirer, the bench, flashing, decoders."""

__version__ = "0.1.0"
