"""Mobi (末笔): firmware of a card-payment terminal that always knows its last transaction."""

VERSION = "0.1.0"
