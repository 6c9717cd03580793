"""Decoder of journal images, written from docs/journal.md; shares no code with the firmware."""

from host_tools.journal.decode import Journal, Note, Reader, Settlement, Transaction, decode

__all__ = ["Journal", "Note", "Reader", "Settlement", "Transaction", "decode"]
