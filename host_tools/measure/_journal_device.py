"""Runs under MicroPython: one store, one workload on the NOR model; prints one line of JSON.

    micropython _journal_device.py STORE KIB UNIT SALES [find]

The workload is the same for every store: a sale is an intent of 160 bytes, a mark of 8 ("sent"), an
outcome of 48 and a mark of 8 ("printed"), each durable before the next; every 50th is voided, every
100th gets no answer and is reversed; the batch is settled every 500 sales or when it is full.
"""

import gc
import json
import sys
import time
from array import array

from nor import Nor

PAN = "6222021234567890128"
MOST = 5000  # commits a run can have


class Timed(Nor):
    """The chip; counts the time spent in the model, which is not the store's."""

    inside = 0

    def readblocks(self, sector, buffer, offset=0):
        """See ``Nor``."""
        began = time.time_ns()
        result = Nor.readblocks(self, sector, buffer, offset)
        self.inside += time.time_ns() - began
        return result

    def writeblocks(self, sector, data, offset=None):
        """See ``Nor``."""
        began = time.time_ns()
        result = Nor.writeblocks(self, sector, data, offset)
        self.inside += time.time_ns() - began
        return result

    def ioctl(self, request, arg):
        """See ``Nor``."""
        began = time.time_ns()
        result = Nor.ioctl(self, request, arg)
        self.inside += time.time_ns() - began
        return result


class Full(Exception):
    """The store has no room for another transaction."""


def fill(size, seed):
    """``size`` bytes that look like data: neither blank nor all the same."""
    return bytes((i * 7 + seed * 13) % 255 for i in range(size))


# -- the stores ------------------------------------------------------------------------------------


class Cipher:
    """AES for the card number, as the terminal does it."""

    def __init__(self, encryptor, decryptor):
        self._encryptor = encryptor
        self._decryptor = decryptor

    def encrypt(self, block):
        """One block."""
        return self._encryptor.encrypt(block)

    def decrypt(self, block):
        """The inverse."""
        return self._decryptor.decrypt(block)


class JournalStore:
    """The journal of this project, through the calls the terminal makes."""

    def __init__(self, nor, unit):
        from cryptolib import aes

        from mobi import transactions as tx
        from mobi.journal.log import Journal, JournalFull

        self.tx = tx
        self.full = JournalFull
        self.make = Journal
        self.cipher = Cipher(aes(b"k" * 16, 1), aes(b"k" * 16, 1))
        self.nor = nor
        self.unit = unit
        self.journal = self.open()
        self.journal.format()
        self.txn = None

    def open(self):
        return self.make(self.nor, self.unit, self.cipher, lambda: 830000000)

    def begin(self, i, void_of):
        tx = self.tx
        txn = tx.Transaction(tx.SALE if void_of is None else tx.VOID)
        txn.amount = 100 + i
        txn.pan = PAN
        txn.time = 830000000
        txn.operator = 1
        if void_of is None:
            txn.extra = fill(111, i)  # with it the intent has exactly 160 bytes
        else:
            txn.original_trace, txn.original_batch = void_of.trace, void_of.batch
            txn.original_rrn, txn.original_auth = void_of.rrn, void_of.auth
            txn.extra = fill(93, i)
        self.txn = txn
        try:
            self.journal.begin(txn)
        except self.full:
            raise Full from None

    def sent(self, i):
        self.journal.note(b"S", b"", self.txn)

    def approve(self, i):
        txn = self.txn
        txn.code = "00"
        txn.rrn = f"{i:012d}"
        txn.auth = f"A{i % 100000:05d}"
        txn.host_time = "1122093015"
        txn.settle_date = "1122"
        txn.institutions = fill(17 if txn.kind == self.tx.SALE else 14, i)
        self.journal.mark(txn, self.tx.APPROVE)

    def printed(self, i):
        self.txn.printed = 1
        self.journal.mark(self.txn, self.tx.PRINT)

    def voided(self, i):
        return False  # the approval of the void has said it

    def reverse(self, i):
        self.txn.reason = "98"
        self.journal.mark(self.txn, self.tx.REVERSE)

    def reversed(self, i):
        self.txn.code = "00"
        self.journal.mark(self.txn, self.tx.UNDONE)

    def settle(self):
        self.journal.settle(self.journal.batch % 999999 + 1, b"totals" * 10)

    def idle(self):
        while self.journal.idle():
            pass

    def remount(self):
        self.journal = self.open()
        self.journal.mount()


class Baseline:
    """A store to compare with: it writes each step of the workload with ``_put(i, state, data)``,
    ``data`` being what is new."""

    data = b""

    def _whole(self, state, data):
        # For a store that writes the whole transaction at every step.
        self.data = data if state == 1 else self.data + data
        return self.data

    def begin(self, i, void_of):
        self._put(i, 1, fill(160, i))

    def sent(self, i):
        self._put(i, 2, b"")

    def approve(self, i):
        self._put(i, 3, fill(40, i))

    def printed(self, i):
        self._put(i, 4, b"")

    def voided(self, i):
        self._put(i, 5, b"")
        return True

    def reverse(self, i):
        self._put(i, 6, b"")

    def reversed(self, i):
        self._put(i, 7, b"")

    def idle(self):
        pass


class LittlefsAppend(Baseline):
    """One append file on littlefs, flushed after every record."""

    def __init__(self, nor, unit):
        import vfs

        self.vfs = vfs
        self.nor = nor
        self.progsize = 256 if unit == 256 else 32
        vfs.VfsLfs2.mkfs(nor, progsize=self.progsize)
        self.file = None
        self.remount()

    def remount(self):
        self.fs = self.vfs.VfsLfs2(self.nor, progsize=self.progsize)
        self.file = self.fs.open("/journal", "ab")
        state = {}
        with self.fs.open("/journal", "rb") as file:
            head = bytearray(8)
            while file.readinto(head) == 8:
                file.read(head[0])
                state[head[2] | head[3] << 8] = head[1]
        return state

    def _put(self, i, state, data):
        try:
            self.file.write(bytes((len(data), state, i & 255, i >> 8 & 255, 0, 0, 0, 0)) + data)
            self.file.flush()
        except OSError as error:
            if error.errno != 28:
                raise
            raise Full from None

    def settle(self):
        try:
            self.file.close()
        except OSError:
            pass
        self.fs.remove("/journal")
        self.file = self.fs.open("/journal", "ab")


class LittlefsRename(Baseline):
    """A file per transaction on littlefs, replaced by temporary file and rename at every step."""

    def __init__(self, nor, unit):
        import vfs

        self.vfs = vfs
        self.nor = nor
        self.progsize = 256 if unit == 256 else 32
        vfs.VfsLfs2.mkfs(nor, progsize=self.progsize)
        self.fs = vfs.VfsLfs2(nor, progsize=self.progsize)
        self.fs.mkdir("/t")

    def remount(self):
        self.fs = self.vfs.VfsLfs2(self.nor, progsize=self.progsize)
        state = {}
        for entry in self.fs.ilistdir("/t"):
            with self.fs.open("/t/" + entry[0], "rb") as file:
                state[entry[0]] = file.read()[0]
        return state

    def _put(self, i, state, data):
        data = self._whole(state, data)
        try:
            with self.fs.open("/t/new", "wb") as file:
                file.write(bytes((state, i & 255, i >> 8 & 255, 0, 0, 0, 0, 0)))
                file.write(data)
            self.fs.rename("/t/new", f"/t/{i}")
        except OSError as error:
            if error.errno != 28:
                raise
            raise Full from None

    def settle(self):
        for entry in list(self.fs.ilistdir("/t")):
            try:
                self.fs.remove("/t/" + entry[0])
            except OSError as error:
                if error.errno != 2:  # the temporary file of a step that did not fit
                    raise


class TwoSlots(Baseline):
    """Two raw sectors that take turns: remembers one transaction."""

    def __init__(self, nor, unit):
        self.nor = nor
        self.turn = 0
        self.page = bytearray(256)

    def remount(self):
        for sector in range(2):
            self.nor.readblocks(sector, self.page, 0)

    def _put(self, i, state, data):
        from binascii import crc32

        data = self._whole(state, data)
        self.turn += 1
        sector = self.turn & 1
        self.nor.ioctl(6, sector)
        page = self.page
        for at in range(256):
            page[at] = 0xFF
        record = bytes((state, i & 255, i >> 8 & 255, len(data))) + self.turn.to_bytes(4, "little")
        record += data
        record += crc32(record).to_bytes(4, "little")
        page[: len(record)] = record
        self.nor.writeblocks(sector, page, 0)

    def settle(self):
        pass


STORES = {
    "journal": JournalStore,
    "littlefs_append": LittlefsAppend,
    "littlefs_rename": LittlefsRename,
    "two_slots": TwoSlots,
}


# -- the run ---------------------------------------------------------------------------------------


class Run:
    """Plays the workload on a store and keeps what every commit cost."""

    def __init__(self, store, nor):
        self.store = store
        self.nor = nor
        self.count = 0
        self.payload = 0
        self.in_path = 0
        self.begun = 0  # transactions since the last settlement
        self.kept = []  # how many there were whenever the store was full
        self.torn = 0  # full in the middle of a transaction
        self.cpu_ns = array("I", bytes(4 * MOST))  # with the driver: the model, in Python
        self.own_ns = array("I", bytes(4 * MOST))  # without it
        self.typ_us = array("I", bytes(4 * MOST))
        self.max_us = array("I", bytes(4 * MOST))
        self.pages = array("B", bytes(MOST))

    def commit(self, call, i, payload, void_of=None):
        nor = self.nor
        began = call == self.store.begin
        for _ in range(2):
            typ, most, programs, erases = nor.typ_ns, nor.max_ns, nor.programs, nor.erases
            inside = nor.inside
            start = time.time_ns()
            try:
                done = call(i, void_of) if began else call(i)
                end = time.time_ns()
                break
            except Full:
                # Settle early and go on; where a transaction was running it is cut in two.
                self.kept.append(self.begun)
                self.torn += not began
                self.settle()
                if not began:
                    return
        if done is False:
            return  # this store needs no commit for that
        n = self.count
        self.cpu_ns[n] = end - start
        self.own_ns[n] = max(0, end - start - (nor.inside - inside))
        self.typ_us[n] = (nor.typ_ns - typ) // 1000
        self.max_us[n] = (nor.max_ns - most) // 1000
        self.pages[n] = min(255, nor.programs - programs)
        self.in_path += nor.erases - erases
        self.count = n + 1
        self.payload += payload
        self.begun += began

    def settle(self):
        self.store.settle()
        self.store.idle()
        self.begun = 0

    def play(self, sales, settle_every=500):
        store = self.store
        i = 0
        for k in range(1, sales + 1):
            i += 1
            self.commit(store.begin, i, 160)
            self.commit(store.sent, i, 8)
            if k % 100 == 25:
                self.commit(store.reverse, i, 8)
                self.commit(store.reversed, i, 8)
            else:
                self.commit(store.approve, i, 48)
                self.commit(store.printed, i, 8)
                if k % 50 == 0:
                    original = getattr(store, "txn", None)
                    i += 1
                    self.commit(store.begin, i, 160, original)
                    self.commit(store.sent, i, 8)
                    self.commit(store.approve, i, 48)
                    self.commit(store.voided, i - 1, 8)
                    self.commit(store.printed, i, 8)
            store.idle()
            if k % settle_every == 0:
                self.settle()
            if k % 10 == 0:
                gc.collect()


def percentile(values, count, share):
    """The value below which ``share`` of the first ``count`` lie."""
    ordered = sorted(values[:count])
    return ordered[min(count - 1, int(count * share))]


def main(argv):
    name, kib, unit, sales = argv[1], int(argv[2]), int(argv[3]), int(argv[4])
    # The RP2040 reads through four data lines; a driver that takes any length may have only one.
    options = {"read_byte_ns": 40} if unit == 256 else {}
    nor = Timed(kib * 1024, unit=unit, **options)
    store = STORES[name](nor, unit)
    nor.reset_counters()
    run = Run(store, nor)
    run.play(sales)
    count = run.count
    used = [w for w in nor.wear if w] if name == "two_slots" else nor.wear
    out = {
        "write_amplification": nor.changed_bytes / run.payload,
        "sent_amplification": nor.sent_bytes / run.payload,
        "pages_per_commit_p50": percentile(run.pages, count, 0.5),
        "pages_per_commit_max": max(run.pages),
        "erases_per_1000_sales": nor.erases * 1000 / sales,
        "erases_in_payment_path": run.in_path,
        "commit_ms_typ_p50": percentile(run.typ_us, count, 0.5) / 1000,
        "commit_ms_typ_p99": percentile(run.typ_us, count, 0.99) / 1000,
        "commit_ms_worst": max(run.max_us) / 1000,
        "cpu_us_per_commit_p50": percentile(run.cpu_ns, count, 0.5) / 1000,
        "cpu_us_per_commit_mean": sum(run.cpu_ns[:count]) / count / 1000,
        "cpu_us_without_driver_p50": percentile(run.own_ns, count, 0.5) / 1000,
        "cpu_us_without_driver_mean": sum(run.own_ns[:count]) / count / 1000,
        "wear_spread": max(used) / max(1, min(used)),
        "most_erases_on_a_sector": max(nor.wear),
        "kept_until_full": run.kept,
        "full_in_mid_transaction": run.torn,
        "commits": count,
        "payload": run.payload,
    }
    # A full region, started up.
    run.settle()
    run.kept = []
    k = 0
    while not run.kept and k < 200 * kib // 32 and name != "two_slots":
        k += 1
        run.count = 0
        run.commit(store.begin, k, 160)
        if run.kept:
            break
        for step in (store.sent, store.approve, store.printed):
            run.commit(step, k, 8)
        store.idle()
        if k % 10 == 0:
            gc.collect()
    gc.collect()
    if len(argv) > 5:
        look(store, nor, out)
    elif name.startswith("littlefs"):
        reads, typ, inside = nor.read_bytes, nor.typ_ns, nor.inside
        start = time.time_ns()
        store.remount()
        took = time.time_ns() - start - (nor.inside - inside)
        out["mount_bytes_read"] = nor.read_bytes - reads
        out["mount_ms"] = (took + nor.typ_ns - typ) / 1e6
    print(json.dumps(out))


def look(store, nor, out):
    """Start-up, finding and memory of the journal, full to the last transaction."""
    journal = store.journal
    # ``commit`` settled when it was full: fill it once more, without settling.
    k = 0
    try:
        while True:
            k += 1
            store.begin(k, None)
            store.sent(k)
            store.approve(k)
            store.printed(k)
            store.idle()
    except Full:
        pass
    out["full_count"] = journal.count
    base = journal.at(0).trace
    count = 200
    step = max(1, journal.count // count)
    found = array("I", bytes(4 * count))
    newest = array("I", bytes(4 * count))
    n = 0
    for k in range(0, journal.count, step):
        if n == count:
            break
        if n % 20 == 0:
            gc.collect()
        inside = nor.inside
        start = time.time_ns()
        txn = journal.find(base + k)
        found[n] = time.time_ns() - start - (nor.inside - inside)
        assert txn.trace == base + k
        inside = nor.inside
        start = time.time_ns()
        journal.newest_approved()
        newest[n] = time.time_ns() - start - (nor.inside - inside)
        n += 1
    out["find_trace_us"] = percentile(found, n, 0.5) / 1000
    out["find_trace_us_p99"] = percentile(found, n, 0.99) / 1000
    out["find_last_voidable_us"] = percentile(newest, n, 0.5) / 1000

    store.txn = store.journal = None
    times = array("I", bytes(4 * 16))
    for i in range(11):
        journal = None
        gc.collect()
        before = gc.mem_alloc()
        journal = store.open()
        reads, typ, inside = nor.read_bytes, nor.typ_ns, nor.inside
        start = time.time_ns()
        journal.mount()
        took = time.time_ns() - start - (nor.inside - inside)
        # What it writes at start-up is not reading: RESUME is counted apart.
        out["mount_bytes_read"] = nor.read_bytes - reads
        flash = (nor.typ_ns - typ) / 1e6
        times[i] = took // 1000
        gc.collect()
        out["ram_bytes"] = gc.mem_alloc() - before
        out["mount_ms"] = flash + percentile(times, i + 1, 0.5) / 1000
        out["mount_cpu_ms"] = percentile(times, i + 1, 0.5) / 1000


main(sys.argv)
