"""Text in columns: an ASCII character takes one, a Chinese one two; a row of the panel has 16."""

from micropython import const

COLUMNS = const(16)
PAGE = const(3)  # rows of the panel under the title
_PAUSES = "，。！？：；、,.!?:;"


def width(text):
    """Columns that ``text`` takes."""
    coded = text.encode()
    columns = len(text)
    if len(coded) != columns:
        # By the bytes: a character out of a string is looked up among all names that there are.
        for byte in coded:
            if byte >= 0xC0:  # begins a character that is not ASCII
                columns += 1
    return columns


def cut(text, columns):
    """The longest beginning of ``text`` that fits into ``columns``."""
    if width(text) <= columns:
        return text
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
    """Rows of at most ``columns``: English breaks at spaces, Chinese anywhere, \\n always.

    What fits two rows is broken behind a comma or full stop, if that does not make it three; and no
    row begins with one. No character is left alone in the last row.
    """
    rows = []
    for paragraph in text.split("\n"):
        if columns < width(paragraph) <= 2 * columns:
            row, rest = _at_pause(paragraph, columns)
            if row:
                rows.append(row)
                paragraph = rest
        while width(paragraph) > columns:
            row = cut(paragraph, columns)
            rest = paragraph[len(row) :]
            if rest[0] != " " and rest[0] < "\x80" and row[-1] < "\x80":
                space = row.rfind(" ")
                if space > 0:
                    rest = row[space:] + rest
                    row = row[:space]
            elif rest[0] in _PAUSES and row[-1] >= "\x80":
                rest = row[-1] + rest
                row = row[:-1]
            elif len(rest) == 1 and rest >= "\x80":
                # It takes a companion with it: a character, or the whole number before it.
                size = 1
                while size < len(row) and " " < row[-size] < "\x80":
                    size += 1
                size = max(1, size - 1)
                rest = row[-size:] + rest
                row = row[:-size]
            rows.append(row.rstrip())
            paragraph = rest.lstrip()
        rows.append(paragraph)
    return rows


def _at_pause(text, columns):
    # Two rows that meet at the last punctuation that leaves both narrow enough, or ("", "").
    for i in range(len(text) - 2, 0, -1):
        if text[i] not in _PAUSES or not (text[i + 1] == " " or text[i + 1] >= "\x80"):
            continue
        row = text[: i + 1]
        if width(row) > columns:
            row = row[:-1]  # the end of the row says as much
        rest = text[i + 1 :].lstrip()
        if width(row) <= columns and width(rest) <= columns:
            return row, rest
    return "", ""


def page(*texts):
    """The rows of ``texts``, filled to whole pages of the panel: each subject has its own."""
    rows = []
    for text in texts:
        rows += wrap(text)
    while len(rows) % PAGE:
        rows.append("")
    return rows


def money(fen, columns=0):
    """An amount in 分 as yuan with two decimals: 123456 -> "1,234.56".

    In ``columns`` that are too few the commas give way, never a digit.
    """
    yuan, rest = divmod(abs(fen), 100)
    digits = str(yuan)
    groups = []
    while len(digits) > 3:
        groups.insert(0, digits[-3:])
        digits = digits[:-3]
    groups.insert(0, digits)
    sign = "-" if fen < 0 else ""
    text = "%s%s.%02d" % (sign, ",".join(groups), rest)
    if 0 < columns < len(text):
        text = text.replace(",", "")
    return text


def priced(label, fen, columns=COLUMNS):
    """Rows with ``label`` on the left and an amount in 分 on the right, both whole: one row where
    they fit, if need be without commas, else two."""
    amount = money(fen, columns - width(label) - 1)
    if width(label) + 1 + len(amount) <= columns:
        return [spread(label, amount, columns)]
    return [label, spread("", money(fen, columns), columns)]
