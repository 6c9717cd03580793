"""Reads a parameter download (参数下载): field 62 of its reply, tags with fixed-length values."""

from mobi.acquiring.iso8583 import LENGTH, SHORT, UNKNOWN, BadMessage

# Tag, length of its value, what it is. The values are ASCII, 22 is GBK, 26 binary.
TAGS = (
    ("11", 2, "application type"),
    ("12", 2, "reply timeout in s (交易超时)"),
    ("13", 1, "dial tries"),
    ("14", 14, "first phone"),
    ("15", 14, "second phone"),
    ("16", 14, "third phone"),
    ("17", 14, "management phone"),
    ("18", 1, "tips allowed"),
    ("19", 2, "highest tip in %"),
    ("20", 1, "card number by hand (手输卡号)"),
    ("21", 1, "sign off after settlement (自动签退)"),
    ("22", 40, "merchant name (商户名称)"),
    ("23", 1, "reversal tries (冲正重发次数)"),
    ("24", 1, "offline mode"),
    ("25", 1, "key index"),
    ("26", 4, "transaction switches (交易开关)"),
    ("27", 2, "end of voids (撤销截止): 00-23 hour, 24 batch; an extension"),
)


def read(data):
    """The parameters in ``data`` as a list of (tag, value): "12" and b"60".

    Raises ``BadMessage`` for a tag that is not in ``TAGS`` (its length is unknown, so nothing
    behind it can be read) and for a value that is cut off. Nothing should be stored then.
    """
    data = bytes(data)
    found = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise BadMessage(62, SHORT)
        size = _size(data[at : at + 2])
        at += 2
        if at + size > len(data):
            raise BadMessage(62, LENGTH)
        found.append((data[at - 2 : at].decode(), data[at : at + size]))
        at += size
    return found


def _size(tag):
    for row in TAGS:
        if row[0].encode() == tag:
            return row[1]
    raise BadMessage(62, UNKNOWN)
