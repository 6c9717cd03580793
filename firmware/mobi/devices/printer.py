"""Receipt printer: ESC/POS, 58 mm paper, 384 dots, 32 columns, Chinese as GBK.

Printing is confirmed, not assumed. Between groups of lines goes ``GS r 1``, which the printer
answers when it has worked through everything before it; a missing answer is looked into with
``DLE EOT n``, which it answers at once in any state. So ``PrinterError.printed`` says up to which
line the paper surely came out.

Answers arrive through the line the card reader uses: ``take`` gets them byte by byte.
"""

from micropython import const

from mobi.loop import Event, sleep_ms

COLUMNS = const(32)

# Styles of a line, to be added up.
NORMAL = const(0)
BOLD = const(1)
TALL = const(2)
WIDE = const(4)  # 16 characters a line
BIG = const(6)
INVERTED = const(8)
CENTRE = const(16)
RIGHT = const(32)
# What is not text.
RULE = const(64)  # a line of dashes
FEED = const(128)  # blank lines; the "text" is how many
CUT = const(256)  # feed to the tear bar and cut

_GROUP = const(4)  # lines between two marks
_CHUNK = const(32)  # bytes between two awaits
_ANSWER_MS = const(250)
_TRIES = const(3)
_MARK_MS = const(1000)
_MARK_TRIES = const(8)
_TEAR_LINES = const(4)  # from the print head to the tear bar
_LINE_MS = const(100)  # time for a line where the printer cannot be asked: 38 mm/s

_STATUS_ANSWER = const(1)
_MARK_ANSWER = const(2)

# DLE EOT n
_ONLINE = const(1)
_OFFLINE_CAUSE = const(2)
_PAPER = const(4)

_OFFLINE = const(0x08)
_COVER_OPEN = const(0x04)
_PAPER_STOP = const(0x20)
_PAPER_END = const(0x60)
_PAPER_NEAR_END = const(0x0C)

# ESC @ resets, FS & switches to Chinese text. A printer that was left in the middle of a command
# (power failed) takes the first ESC for its argument and the @ for text; the second one works.
_INIT = b"\x1b@\x1b@\x1c&"
_MARK = b"\x1dr\x01"
_CUT = b"\x1dV\x01"
# DLE DC4 8 with its fixed arguments: forget what has not been printed yet.
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"


class PrinterError(Exception):
    """The printer has a fault that only service can mend. ``printed``: lines that came out."""

    printed = 0


class PaperOut(PrinterError):
    """缺纸: put in a new roll."""


class CoverOpen(PrinterError):
    """纸仓盖未关: close the cover."""


class PrinterSilent(PrinterError):
    """The printer does not answer: no supply, or its cable is off."""


class Printer:
    """Prints lines. One job at a time.

    ``stream``: ``write`` as machine.UART. ``baud`` paces the output, so that no buffer overruns
    and no turn of the loop waits for the wire. ``encode(text)`` turns str into GBK bytes.
    ``cutter``: the printer has one; else paper is torn.
    """

    # False for a printer that never answers: nothing is asked, lines go out at the pace of paper,
    # and only a person can tell whether they came out.
    answers = True

    def __init__(self, stream, baud, encode, cutter=True):
        self._stream = stream
        self._baud = baud
        self._encode = encode
        self._cutter = cutter
        self._wanted = 0
        self._status = -1
        self._answered = Event()
        self._marks_answered = 0
        # Not every printer knows GS r; asked once.
        self._answers_marks = None
        self._unclean = False  # a job has begun and not come to its end
        # A piece of a slip hangs out of the printer: the next job cuts it off first. To be set by
        # whoever knows it after a restart.
        self.torn = False
        self._style = NORMAL
        self.near_end = False  # 纸将尽, as of the last check

    def take(self, byte):
        """A byte came in: True when it was an answer this printer was asked for."""
        if self._wanted & _STATUS_ANSWER and byte & 0x93 == 0x12:
            self._status = byte
            self._wanted &= ~_STATUS_ANSWER
            self._answered.set()
            return True
        if self._wanted & _MARK_ANSWER and byte in (0x00, 0x03, 0x0C, 0x0F):
            self._marks_answered += 1
            self._answered.set()
            return True
        return False

    # -- is it ready? ------------------------------------------------------------------------

    async def check(self):
        """Ask for paper, cover and state; sets ``near_end``; raises what stands in the way."""
        if not self.answers:
            self.near_end = False
            return
        paper = await self._ask(_PAPER)
        if paper & _PAPER_END:
            raise PaperOut()
        self.near_end = bool(paper & _PAPER_NEAR_END)
        if await self._ask(_ONLINE) & _OFFLINE:
            cause = await self._ask(_OFFLINE_CAUSE)
            if cause & _COVER_OPEN:
                raise CoverOpen()
            if cause & _PAPER_STOP:
                raise PaperOut()
            raise PrinterError()

    async def _ask(self, what):
        for attempt in range(_TRIES):
            self._expect_status()
            await self._write(bytes((0x10, 0x04, what)))
            status = await self._next_status()
            if status >= 0:
                if attempt:
                    status = await self._newest_status(status)
                self._wanted &= ~_STATUS_ANSWER
                return status
        self._wanted &= ~_STATUS_ANSWER
        raise PrinterSilent()

    def _expect_status(self):
        self._wanted |= _STATUS_ANSWER
        self._status = -1

    async def _newest_status(self, status):
        # What an earlier try asked may be answered late: wait until nothing comes any more, or it
        # would be taken for the answer to the next question.
        while status >= 0:
            newest = status
            self._expect_status()
            status = await self._next_status()
        return newest

    async def _next_status(self):
        # The status that comes in within the time an answer may take; -1 when none does.
        while self._status < 0:
            self._answered.clear()
            if await self._answered.wait(_ANSWER_MS) is None:
                break
        return self._status

    # -- printing ----------------------------------------------------------------------------

    async def print_lines(self, lines):
        """Print ``lines``: pairs of style and text (str, or bytes that are GBK already).

        Returns how many lines there were, all of them on paper. Raises PaperOut, CoverOpen,
        PrinterSilent or PrinterError with ``printed``: that many lines from the first surely came
        out, more may have. What the printer has not printed by then it is told to forget, so
        that it does not come out later by itself.
        """
        job = _Job()
        try:
            await self._begin()
            for style, text in lines:
                job.paper += await self._line(style, text)
                job.sent += 1
                if job.sent % _GROUP == 0:
                    # One group ahead of the paper, so that the printer never waits for us.
                    await self._confirm(job)
                    await self._mark(job)
            while job.printed < job.sent:
                await self._mark(job)
                await self._confirm(job)
        except PrinterError as error:
            error.printed = job.printed
            # Where the roll has ended the piece comes away by itself.
            self.torn = job.sent > 0 and not isinstance(error, PaperOut)
            await self._forget_rest()
            raise
        finally:
            self._wanted = 0
        self._unclean = False
        return job.sent

    async def _begin(self):
        if self._unclean:
            await self._forget_rest()
        await self.check()
        await self._write(_INIT)
        self._style = NORMAL
        self._wanted |= _MARK_ANSWER
        if not self.answers:
            self._answers_marks = None
        elif self._answers_marks is None:
            self._answers_marks = await self._knows_marks()
        elif self._unclean:
            # Answers to marks of the old job may still come; none of them may count for this one.
            while await self._mark_within(_MARK_MS):
                pass
        self._unclean = True
        if self.torn:
            await self._line(CUT, "")
            self.torn = False
        self._marks_answered = 0

    async def _knows_marks(self):
        self._marks_answered = 0
        for _ in range(2):
            await self._write(_MARK)
            if self._marks_answered or await self._mark_within(_MARK_MS):
                return True
            await self.check()
        return False

    async def _mark_within(self, ms):
        before = self._marks_answered
        self._answered.clear()
        await self._answered.wait(ms)
        return self._marks_answered != before

    async def _mark(self, job):
        job.marks.append(job.sent)
        if self._answers_marks:
            await self._write(_MARK)

    async def _confirm(self, job):
        # Wait until the newest mark is answered. Answers count from the oldest mark on: if one is
        # lost on the wire, we claim less than was printed, never more.
        if not job.marks or job.printed == job.marks[-1]:
            return
        if not self._answers_marks:
            # Not the group that was sent last, but its lines are a good margin.
            await sleep_ms(job.paper * _LINE_MS)
            job.paper = 0
            await self.check()
            job.printed = job.marks[-1]
            return
        for _ in range(_MARK_TRIES):
            if self._marks_answered < len(job.marks):
                answered = await self._mark_within(_MARK_MS)
            else:
                answered = True
            if self._marks_answered:
                job.printed = job.marks[min(self._marks_answered, len(job.marks)) - 1]
            if job.printed == job.marks[-1]:
                return
            if not answered:
                await self.check()
                # It is ready: the answer may be lost, so ask once more behind the same lines.
                job.marks.append(job.marks[-1])
                await self._write(_MARK)
        raise PrinterError()

    async def _forget_rest(self):
        try:
            await self._write(_CLEAR)
        except PrinterSilent:
            pass  # nothing can be told to it; the next job tries again

    async def _line(self, style, text):
        # Gives how many lines of plain text the paper moves.
        if style & FEED:
            await self._write(bytes((0x1B, 0x64, text)))
            return text
        if style & CUT:
            await self._write(bytes((0x1B, 0x64, _TEAR_LINES)))
            if self._cutter:
                await self._write(_CUT)
            return _TEAR_LINES
        if style & RULE:
            style = NORMAL
            text = b"-" * COLUMNS
        await self._write(self._dressed(style, text))
        return 2 if style & TALL else 1

    def _dressed(self, style, text):
        # The commands for what changes in style, the text, and the end of the line.
        out = bytearray()
        changed = style ^ self._style
        self._style = style
        if changed & (BOLD | BIG):
            bold = 0x08 if style & BOLD else 0
            tall = style & TALL
            wide = style & WIDE
            # ESC ! for ASCII, FS ! for Chinese characters.
            out += bytes((0x1B, 0x21, bold | (0x10 if tall else 0) | (0x20 if wide else 0)))
            out += bytes((0x1C, 0x21, (0x08 if tall else 0) | (0x04 if wide else 0)))
        if changed & INVERTED:
            out += bytes((0x1D, 0x42, 1 if style & INVERTED else 0))
        if changed & (CENTRE | RIGHT):
            out += bytes((0x1B, 0x61, 1 if style & CENTRE else 2 if style & RIGHT else 0))
        if isinstance(text, str):
            text = self._encode(text)
        at = len(out)
        out += text
        _tame(out, at)
        out.append(0x0A)
        return out

    async def _write(self, data):
        view = memoryview(data)
        at = 0
        refused = 0
        while at < len(view):
            size = self._stream.write(view[at : at + _CHUNK]) or 0
            at += size
            refused = 0 if size else refused + 1
            if refused > 50:
                raise PrinterSilent()
            # The time on the wire, so that the next chunk finds the buffer empty.
            await sleep_ms(size * 10000 // self._baud + 1)


def _tame(text, at):
    # Text from outside must not carry commands, and half a Chinese character (a name that was cut
    # after so many bytes) must not take the line feed behind it for its other half.
    end = len(text)
    while at < end:
        byte = text[at]
        if byte < 0x20:
            text[at] = 0x20
        elif byte >= 0x7F:
            trail = text[at + 1] if at + 1 < end else 0
            if 0x81 <= byte <= 0xFE and 0x40 <= trail <= 0xFE and trail != 0x7F:
                at += 1
            else:
                text[at] = 0x3F
        at += 1


class _Job:
    # How far a print job is: lines sent, lines surely printed, for each mark sent how many lines
    # were before it, and the paper (in lines) sent since a printer without marks was waited for.
    def __init__(self):
        self.sent = 0
        self.printed = 0
        self.marks = []
        self.paper = 0
