"""What a flow asks of the operator: messages, confirmations, input fields, lists; all awaited.

Every dialog ends by itself: after the prompt time without a key it raises ``Leave``, as the
CANCEL key does, and the flow unwinds to the idle screen with nothing half done.
"""

from micropython import const

from mobi.ui.screen import ROWS
from mobi.ui.text import COLUMNS, PAGE, cut, money, pad, spread, width, wrap

_HALF = const(8)  # columns of an item when two stand in a row
_AMOUNT_DIGITS = const(9)


class Leave(Exception):
    """The operator left: pressed CANCEL, or did nothing until the prompt time was over."""

    def __init__(self, timed_out=False):
        super().__init__("timeout" if timed_out else "cancel")
        self.timed_out = timed_out


class Dialogs:
    """``inputs`` delivers keys as str and other inputs as tuples like ("card", track2).

    ``tr(id)`` gives a text in the operator's language. ``prompt_ms`` may be changed at any time.
    """

    def __init__(self, screen, inputs, beep, tr, prompt_ms=60000):
        self.screen = screen
        self.inputs = inputs
        self.beep = beep
        self.tr = tr
        self.prompt_ms = prompt_ms
        self._ahead = ""  # a digit that ended a message: it is the first one of what follows

    # -- inputs ------------------------------------------------------------------------------

    async def input(self, timeout_ms=None):
        """The next key or other input; ``Leave`` at the prompt time (or ``timeout_ms``)."""
        self._ahead = ""
        got = await self.inputs.get(self.prompt_ms if timeout_ms is None else timeout_ms)
        if got is None:
            raise Leave(timed_out=True)
        return got

    async def key(self, timeout_ms=None):
        """The next key. A card or a scanned code that nobody asked for is refused by a beep."""
        while True:
            got = await self.input(timeout_ms)
            if isinstance(got, str):
                return got
            self.beep()

    # -- telling -----------------------------------------------------------------------------

    def show(self, title, text=""):
        """Show a screen and go on: what the terminal is doing just now."""
        self.screen.show(title, wrap(text) if text else ())

    async def message(self, title, text, seconds=3, beep=False):
        """Show a text for some seconds; a key ends it early. A long text can be scrolled.

        Who types on at once loses nothing: the digit is the first one of the field that follows.
        """
        if beep:
            self.beep()
        rows = wrap(text)
        if len(rows) > PAGE:
            try:
                await self.pages(title, rows)
            except Leave:
                pass  # reading to the end is not required
            return
        self.screen.show(title, rows)
        try:
            key = await self.key(seconds * 1000)
        except Leave:
            return  # nobody needed longer
        if len(key) == 1:
            self._ahead = key

    async def _key_of_field(self):
        key, self._ahead = self._ahead, ""
        return key or await self.key()

    async def pages(self, title, rows, keys=("ENTER",)):
        """Rows to scroll with UP and DOWN; the key of ``keys`` that ended it. CANCEL leaves."""
        top = 0
        last = max(0, len(rows) - PAGE)
        while True:
            mark = ("↕" if top < last else "↑") if top else ("↓" if last else "")
            self._title(title, mark)
            for number in range(PAGE):
                at = top + number
                self.screen.row(number + 1, rows[at] if at < len(rows) else "")
            key = await self.key()
            if key == "DOWN":
                top = min(top + PAGE, last)
            elif key == "UP":
                top = max(top - PAGE, 0)
            elif key in keys:
                return key
            elif key == "CANCEL":
                raise Leave()
            else:
                self.beep()

    def _title(self, title, mark):
        # The mark stands at the right end of the title row and tells where there is more.
        columns = width(mark)
        title = cut(title, COLUMNS - columns)
        left = (COLUMNS - width(title)) // 2
        left = min(left, COLUMNS - columns - width(title))
        self.screen.row(0, pad(" " * left + title, COLUMNS - columns) + mark, inverted=True)

    async def confirm(self, title, rows):
        """ENTER: True. CANCEL: False. At the prompt time ``Leave``."""
        if isinstance(rows, str):
            rows = wrap(rows)
        try:
            await self.pages(title, rows)
        except Leave as left:
            if left.timed_out:
                raise
            return False
        return True

    # -- asking ------------------------------------------------------------------------------

    async def digits(self, title, prompt, most, least=1, mask=False, start="", empty=False):
        """A number of ``least`` to ``most`` digits as str; stars on the screen with ``mask``.

        With ``empty`` ENTER on an empty field gives "". ENTER too early is told what is missing.
        """
        text = start
        prompt = wrap(prompt)
        wrong = ""
        while True:
            self._field(title, prompt, wrong, "*" * len(text) if mask else text)
            wrong = ""
            key = await self._key_of_field()
            if len(key) == 1 and len(text) < most:
                text += key
            elif key == "BACK":
                text = text[:-1]
            elif key == "CLEAR":
                text = ""
            elif key == "ENTER" and (len(text) >= least or (empty and not text)):
                return text
            elif key == "CANCEL":
                raise Leave()
            else:
                self.beep()
                if key == "ENTER":
                    wrong = self.tr("digits_all" if least == most else "digits_least") % least

    def _field(self, title, prompt, wrong, value):
        # The prompt, what is wrong with the value if ENTER was no answer, and the value.
        rows = prompt[: ROWS - 2]
        if wrong:
            rows = prompt[:1] + [wrong]
        self.screen.show(title, rows)
        self.screen.right(ROWS - 1, value)

    async def amount(self, title, prompt, start=0, zero=False):
        """An amount in 分, digits entering from the right; zero only where ``zero`` says so."""
        fen = start
        prompt = wrap(prompt)
        wrong = ""
        while True:
            self._field(title, prompt, wrong, money(fen))
            wrong = ""
            key = await self._key_of_field()
            if len(key) == 1 and len(str(fen)) < _AMOUNT_DIGITS:
                fen = fen * 10 + int(key)
            elif key == "BACK":
                fen //= 10
            elif key == "CLEAR":
                fen = 0
            elif key == "ENTER" and (fen or zero):
                return fen
            elif key == "CANCEL":
                raise Leave()
            else:
                self.beep()
                if key == "ENTER":
                    wrong = self.tr("amount_zero")

    async def choose(self, title, labels, start=0, keys=()):
        """One of ``labels``; its index. Digits jump, UP/DOWN and ENTER choose, CANCEL leaves.
        One of ``keys`` ends it, too, and is the result.

        Short labels stand two in a row, longer ones one in a row.
        """
        two = all(width(label) + 1 <= _HALF for label in labels)
        per_page = 2 * PAGE if two else PAGE
        chosen = start
        while True:
            first = chosen // per_page * per_page
            last_page = first + per_page >= len(labels)
            mark = ("↑" if last_page else "↕") if first else ("" if last_page else "↓")
            self._title(title, mark)
            for number in range(PAGE):
                self._items(number, labels, first, chosen, two)
            key = await self.key()
            if key == "UP":
                chosen = (chosen - 1) % len(labels)
            elif key == "DOWN":
                chosen = (chosen + 1) % len(labels)
            elif key == "ENTER":
                return chosen
            elif key == "CANCEL":
                raise Leave()
            elif key in keys:
                return key
            elif len(key) == 1 and 0 <= self._at(key) < len(labels):
                return self._at(key)
            else:
                self.beep()

    def _at(self, digit):
        return (int(digit) - 1) % 10

    def _items(self, number, labels, first, chosen, two):
        row = ""
        mark = None
        for half in range(2 if two else 1):
            at = first + (2 * number + half if two else number)
            if at >= len(labels):
                break
            text = ("%d" % ((at + 1) % 10) if at < 10 else " ") + labels[at]
            row = pad(row, _HALF * half) + text
            if at == chosen:
                mark = (_HALF * half, _HALF if two else COLUMNS)
        self.screen.row(number + 1, row)
        if mark is not None:
            self.screen.invert(number + 1, mark[0], mark[1])

    async def pick(self, title, items, draw):
        """Walk through ``items`` one screen each with UP/DOWN; the index at ENTER.

        ``draw(item)`` gives the rows of an item. The title shows "2/7".
        """
        at = 0
        while True:
            self.screen.show("", draw(items[at])[:PAGE])
            self.screen.row(
                0, spread(title, "%d/%d" % (at + 1, len(items))), inverted=True
            )
            key = await self.key()
            if key == "UP":
                at = (at - 1) % len(items)
            elif key == "DOWN":
                at = (at + 1) % len(items)
            elif key == "ENTER":
                return at
            elif key == "CANCEL":
                raise Leave()
            else:
                self.beep()
