"""A card terminal at the level of messages: for load tests, for trying a host, for its tests.

It keeps no journal and follows no rules of its own; it builds whatever it is asked to, also
nonsense. The real terminal is the firmware. ``Client`` makes the messages, ``TerminalEnd`` puts
them into the frames of the serial line.
"""

from __future__ import annotations

from dataclasses import dataclass

from host_tools.acquirer import security
from host_tools.acquirer.cards import STANDARD_CARD, TestCard
from host_tools.acquirer.codec import Fields, Request, decode, encode
from host_tools.acquirer.host import TEST_TERMINAL, TEST_TMK
from host_tools.link import (
    ESCAPE,
    FLAG,
    POLL,
    REPLY,
    REQUEST,
    SYNC,
    SYNCED,
    VERSION,
    WAIT,
    frame,
)

TPDU = bytes.fromhex("6000030000")
HEADER = bytes.fromhex("603100311000")


_LAST_NUMBER = 31  # of a request within a session of the link


@dataclass(frozen=True)
class Done:
    """A request that was sent: what reversals, voids and refunds must repeat."""

    kind: str
    trace: int
    batch: int
    amount: int
    card: TestCard
    fields: Fields
    message: bytes


class Client:
    """Builds the messages of one terminal. ``trace`` is the next trace number.

    Every method gives the message (TPDU + header + ISO 8583); ``last`` describes the newest
    card request. ``extra`` fields replace or, with the value "", remove fields.
    """

    def __init__(self, terminal: str = TEST_TERMINAL.terminal,
                 merchant: str = TEST_TERMINAL.merchant, tmk: bytes = TEST_TMK):
        self.terminal = terminal
        self.merchant = merchant
        self.tmk = tmk
        self.batch = 1
        self.trace = 1
        self.keys: security.WorkingKeys | None = None
        self._pik: bytes = b""
        self._tdk: bytes = b""
        self.last: Done | None = None

    def message(self, fields: Fields, mac: bool) -> bytes:
        """The bytes of a message of these fields, with a MAC under the newest keys."""
        fields = {key: value for key, value in fields.items() if value != ""}
        if not mac or self.keys is None:
            return TPDU + HEADER + encode(fields)
        body = encode({**fields, "64": "00" * 8})[:-8]
        return TPDU + HEADER + body + self.keys.mac(body)

    def _fields(self, mti: str, code: str, trace: int | None = None) -> Fields:
        if trace is None:
            trace = self.trace
            self.trace = self.trace % 999_999 + 1
        return {"t": mti, "11": f"{trace:06d}", "41": self.terminal, "42": self.merchant,
                "60": code}

    # Session

    def sign_on(self, kind: str = "003", **extra: str) -> bytes:
        """签到."""
        fields = self._fields("0800", f"00{self.batch:06d}{kind}")
        fields.update({"62": b"Sequence No160000000012345678".hex(), "63": "01 "})
        return self.message({**fields, **_numbered(extra)}, mac=False)

    def signed_on(self, reply: bytes) -> Request:
        """Take keys and batch from the reply to a sign-on; checks the key check values."""
        answer = decode(reply)
        if answer.get("39") != "00":
            raise ValueError(f"sign-on answered {answer.get('39')}")
        kind = answer.get("60")[8:11]
        data = bytes.fromhex(answer.get("62"))
        size = 8 if kind == "001" else 16
        wrapped = b""
        clear = []
        for at in range(0, len(data), size + 4):
            part, check = data[at:at + size], data[at + size:at + size + 4]
            key = security.decryptor(self.tmk).update(part)
            if security.kcv(key) != check:
                raise ValueError("a key check value is wrong")
            wrapped += part
            clear.append(key)
        self.keys = security.WorkingKeys(kind, wrapped, self.tmk)
        self._pik, self._tdk = clear[0], clear[2] if len(clear) == 3 else b""
        self.batch = answer.batch
        return answer

    def manage(self, mti: str, code: str, **extra: str) -> bytes:
        """A management message: ("0820", "301") is an echo test."""
        fields = self._fields(mti, f"00{self.batch:06d}{code}")
        return self.message({**fields, **_numbered(extra)}, mac=False)

    def query(self, batch: int, trace: int, **extra: str) -> bytes:
        """交易状态查询 of a transaction."""
        fields = self._fields("0820", f"00{self.batch:06d}364")
        fields["61"] = f"{batch:06d}{trace:06d}"
        return self.message({**fields, **_numbered(extra)}, mac=True)

    # Card requests

    def _card(self, kind: str, mti: str, processing: str, code: str, amount: int, card: TestCard,
              pin: str, track: bool, extra: dict[str, str]) -> bytes:
        fields = self._fields(mti, f"{code}{self.batch:06d}0006" + ("00" if kind != "balance"
                                                                    else ""))
        fields.update({
            "2": card.pan, "3": processing, "22": "021" if pin else "022", "25": "00",
            "49": "156"})
        if kind != "balance":
            fields["4"] = f"{amount:012d}"
        if track:
            fields["35"] = f"{card.pan}D{card.expiry}1010000"
        else:
            fields["14"] = card.expiry
            fields["22"] = "011" if pin else "012"
        single = self.keys is not None and self.keys.single
        if pin:
            block = security.encryptor(self._pik or bytes(16)).update(
                security.pin_block(pin, card.pan))
            fields.update({
                "26": "12", "52": block.hex().upper(), "53": ("20" if single else "26") + "0" * 14})
        fields.update(_numbered(extra))
        trace, batch = int(fields["11"]), int(fields["60"][2:8])
        message = self.message(fields, mac=True)
        self.last = Done(kind, trace, batch, amount, card, fields, message)
        return message

    def balance(self, card: TestCard = STANDARD_CARD, pin: str = "123456", track: bool = True,
                **extra: str) -> bytes:
        """余额查询."""
        return self._card("balance", "0200", "310000", "01", 0, card, pin, track, extra)

    def sale(self, amount: int, card: TestCard = STANDARD_CARD, pin: str = "123456",
             track: bool = True, **extra: str) -> bytes:
        """消费."""
        return self._card("sale", "0200", "000000", "22", amount, card, pin, track, extra)

    def void(self, original: Done, rrn: str = "0" * 12, auth: str = "", pin: str = "",
             amount: int | None = None, card: TestCard | None = None, **extra: str) -> bytes:
        """消费撤销 of ``original``."""
        more = {"f37": rrn, "f38": auth, "f61": f"{original.batch:06d}{original.trace:06d}"}
        return self._card(
            "void", "0200", "200000", "23", original.amount if amount is None else amount,
            card or original.card, pin, True, {**more, **extra})

    def refund(self, amount: int, rrn: str, date: str, card: TestCard = STANDARD_CARD,
               **extra: str) -> bytes:
        """退货 of ``amount`` 分; ``date`` is MMDD of the original."""
        more = {"f37": rrn, "f61": "0" * 12 + date, "f63": "000"}
        return self._card("refund", "0220", "200000", "25", amount, card, "", True,
                          {**more, **extra})

    def reversal(self, original: Done, reason: str = "98", **extra: str) -> bytes:
        """冲正 of a sale or void: original trace and batch, no track, PIN or expiry."""
        fields = {key: value for key, value in original.fields.items()
                  if key in ("2", "3", "4", "11", "12", "13", "22", "25", "41", "42", "49", "60")}
        fields.update({"t": "0400", "39": reason})
        if original.kind == "void":
            fields["61"] = f"{original.batch:06d}{original.trace:06d}"
        return self.message({**fields, **_numbered(extra)}, mac=True)

    # Settlement

    def settle(self, debit: int, debits: int, credit: int, credits: int, **extra: str) -> bytes:
        """批结算 with totals of own cards, none of foreign ones."""
        fields = self._fields("0500", f"00{self.batch:06d}201")
        fields.update({
            "48": f"{debit:012d}{debits:03d}{credit:012d}{credits:03d}0" + "0" * 31,
            "49": "156", "63": "01 "})
        return self.message({**fields, **_numbered(extra)}, mac=False)

    def upload(self, details: list[tuple[int, str, int]], **extra: str) -> bytes:
        """批上送 of (trace, card number, amount), at most eight."""
        fields = self._fields("0320", f"00{self.batch:06d}201")
        fields["48"] = f"{len(details):02d}" + "".join(
            f"00{trace:06d}{pan:0>20}{amount:012d}" for trace, pan, amount in details)
        return self.message({**fields, **_numbered(extra)}, mac=False)

    def upload_refund(self, refund: Done, trace: int | None = None) -> bytes:
        """批上送 of one refund, with its own trace unless another one is given."""
        fields = {key: value for key, value in refund.fields.items()
                  if key not in ("35", "52", "53", "14", "26")}
        fields.update({"t": "0320", "11": f"{trace or refund.trace:06d}"})
        return self.message(fields, mac=False)

    def end(self, balanced: bool, count: int, **extra: str) -> bytes:
        """批上送结束."""
        fields = self._fields("0320", f"00{self.batch:06d}{'207' if balanced else '202'}")
        fields["48"] = f"{count:04d}"
        return self.message({**fields, **_numbered(extra)}, mac=False)


def _numbered(extra: dict[str, str]) -> Fields:
    # f11="000001" sets field 11; t="0200" the message type.
    return {key.removeprefix("f"): value for key, value in extra.items()}


class TerminalEnd:
    """The terminal's end of the serial line, without timers of its own.

    ``send`` and ``feed`` both give bytes to put on the line; replies gather in ``replies``. A host
    that was kept from its line too long stays silent: whoever waits in vain puts ``again()`` on
    the line.
    """

    def __init__(self, session: int):
        self.replies: list[bytes] = []
        self._own = session
        self._session = b""  # both ends' numbers
        self._number = _LAST_NUMBER
        self._waits = b""  # a request that goes out once the session has begun
        self._raw = bytearray()
        self._sent = b""  # the frame that waits for its answer

    @property
    def waiting(self) -> bool:
        """Has the newest request not left yet, because a session must begin first?"""
        return bool(self._waits)

    def send(self, message: bytes) -> bytes:
        """Begin a request; with a new session (SYNC) first where one is needed."""
        if self._number < _LAST_NUMBER:
            self._number += 1
            self._sent = frame(REQUEST, self._number, message, self._session)
            return self._sent
        self._own = (self._own + 1) % 2**32
        self._waits = message
        self._sent = frame(SYNC, 0, bytes((VERSION,)) + self._own.to_bytes(4, "big"), b"")
        return self._sent

    def again(self) -> bytes:
        """The newest frame once more. The host delivers a request once only."""
        return self._sent

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the line. Frames with a wrong FCS are left out."""
        self._raw += data
        *whole, rest = bytes(self._raw).split(bytes((FLAG,)))
        self._raw[:] = rest
        return b"".join(self._frame(raw) for raw in whole)

    def _frame(self, raw: bytes) -> bytes:
        body = bytearray()
        escaped = False
        for byte in raw:
            if byte == ESCAPE:
                escaped = True
            else:
                body.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        if len(body) < 3:
            return b""
        kind, number, payload = body[0] & 0xE0, body[0] & 0x1F, bytes(body[1:-2])
        # What the host would have put on the wire for this content, FCS included.
        if frame(kind, number, payload, self._session)[1:-1] != raw:
            return b""
        if kind == SYNCED:
            if not self._waits or payload[1:5] != self._own.to_bytes(4, "big"):
                return b""  # a second copy
            self._session, self._number = payload[1:], 0
            message, self._waits = self._waits, b""
            return self.send(message)
        if number != self._number:
            return b""  # about a request before
        if kind == REPLY:
            self.replies.append(payload)
        return frame(POLL, number, b"", self._session) if kind == WAIT else b""
