"""Text in columns: an ASCII character takes one, a Chinese one two; a row of the panel has 16."""

from micropython import const

COLUMNS = const(16)
PAGE = const(3)  # rows of the panel under the title


def width(text):
    """Columns that ``text`` takes."""
    columns = 0
    for character in text:
        columns += 1 if character < "\x80" else 2
    return columns


def cut(text, columns):
    """The longest beginning of ``text`` that fits into ``columns``."""
    used = 0
    for i, character in enumerate(text):
        used += 1 if character < "\x80" else 2
        if used > columns:
            return text[:i]
    return text


def pad(text, columns):
    """``text`` cut and filled with spaces to exactly ``columns``."""
    text = cut(text, columns)
    return text + " " * (columns - width(text))


def spread(left, right, columns=COLUMNS):
    """``left`` and ``right`` at the two ends of a row; ``left`` gives way when it is too narrow."""
    left = cut(left, columns - width(right) - 1)
    return left + " " * (columns - width(left) - width(right)) + right


def wrap(text, columns=COLUMNS):
    """Rows of at most ``columns``: English breaks at spaces, Chinese anywhere, \\n always."""
    rows = []
    for paragraph in text.split("\n"):
        while width(paragraph) > columns:
            row = cut(paragraph, columns)
            rest = paragraph[len(row) :]
            if rest[0] != " " and rest[0] < "\x80" and row[-1] < "\x80":
                space = row.rfind(" ")
                if space > 0:
                    rest = row[space:] + rest
                    row = row[:space]
            rows.append(row.rstrip())
            paragraph = rest.lstrip()
        rows.append(paragraph)
    return rows


def page(*texts):
    """The rows of ``texts``, filled to whole pages of the panel: each subject has its own."""
    rows = []
    for text in texts:
        rows += wrap(text)
    while len(rows) % PAGE:
        rows.append("")
    return rows


def money(fen):
    """An amount in 分 as yuan with two decimals: 123456 -> "1,234.56"."""
    yuan, rest = divmod(abs(fen), 100)
    digits = str(yuan)
    groups = []
    while len(digits) > 3:
        groups.insert(0, digits[-3:])
        digits = digits[:-3]
    groups.insert(0, digits)
    return "%s%s.%02d" % ("-" if fen < 0 else "", ",".join(groups), rest)
