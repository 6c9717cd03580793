"""What messages and DES cost: the firmware's codec under MicroPython, with pyiso8583 beside it.

The times are those of the unix port on this machine; the ratios are taken in the same run. The
library's own decoding of the same message under CPython is the baseline of the codec.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

import iso8583

from host_tools import micropython
from host_tools.acquirer import codec
from host_tools.places import ROOT

DESCRIPTIONS = {
    "codec.pack_us": "a sale request built, without its MAC, MicroPython unix port, us",
    "codec.unpack_us": "its reply taken apart and every field read once, MicroPython unix port, us",
    "codec.mac_us": "the MAC over a sale request, key set up each time, unix port, us",
    "codec.exchange_us": "a sale built and its reply checked, MACs included, unix port, us",
    "codec.unpack_vs_pyiso8583": "codec.unpack_us / pyiso8583 decoding it under CPython",
    "des.block_us": "one DES block, MicroPython unix port, us",
    "des.triple_block_us": "one triple DES block, MicroPython unix port, us",
    "des.key_us": "round keys of a 16-byte key set up, MicroPython unix port, us",
}

# Runs under MicroPython and prints one line of JSON.
_SCRIPT = r"""
import gc, json, time
from binascii import hexlify, unhexlify
from mobi import transactions as tx
from mobi.acquiring import security
from mobi.acquiring.des import Des
from mobi.acquiring.iso8583 import Message, Packer
from mobi.acquiring.messages import Composer

PAN = "6222021234567890128"

class Setup:
    tid, mid, tpdu, reader = "00000001", "123456789012345", unhexlify("6000030000"), 2
    request_time = 1

class Keys:
    pik, mak = unhexlify("0123456789ABCDEFFEDCBA9876543210"), unhexlify("0123456789ABCDEF")

txn = tx.Transaction(tx.SALE)
txn.trace, txn.batch, txn.amount, txn.pan, txn.entry = 17, 3, 12345, PAN, "021"
txn.track2 = PAN + "=30121011234567"
txn.pin_block = security.pin_block("123456", PAN, Keys.pik)
composer = Composer(Setup, Keys)
packer = Packer()
fields = ((3, "000000"), (4, 12345), (11, 17), (12, "101112"), (13, "1122"), (15, "1123"),
          (25, "00"), (32, "48021000"), (37, "000000000777"), (38, "A12345"), (39, "00"),
          (41, "00000001"), (42, "123456789012345"), (44, b"01020000   48021000   "),
          (49, "156"), (60, "22000003000201000"), (63, b"CUP"))
packer.begin(Setup.tpdu, bytes(6), "0210")
for field, value in fields:
    packer.put(field, value)
reply = bytes(packer.end(composer._mac))
message = Message()
request = bytes(composer.build("sale", txn))

class NoMac(Composer):
    def _mac(self, data):
        return b"00000000"

plain = NoMac(Setup, Keys)

def unpack():
    message.parse(reply)
    for field in (3, 4, 11, 12, 13, 15, 25, 32, 60):
        message.digits(field)
    for field in (37, 38, 39, 41, 42, 49):
        message.text(field)
    for field in (44, 63, 64):
        message.raw(field)

def exchange():
    composer.build("sale", txn)
    composer.read("sale", txn, reply)

single, triple, block = Des(Keys.mak), Des(Keys.pik), bytearray(8)

def best(function, count):
    least = None
    for _ in range(20):
        gc.collect()
        began = time.ticks_us()
        for _ in range(count):
            function()
        took = time.ticks_diff(time.ticks_us(), began) / count
        least = took if least is None else min(least, took)
    return least

print(json.dumps({
    "codec.pack_us": best(lambda: plain.build("sale", txn), 100),
    "codec.unpack_us": best(unpack, 100),
    "codec.mac_us": best(lambda: composer._mac(request[11:-8]), 100),
    "codec.exchange_us": best(exchange, 50),
    "des.block_us": best(lambda: single.encrypt_into(block, block), 1000),
    "des.triple_block_us": best(lambda: triple.encrypt_into(block, block), 1000),
    "des.key_us": best(lambda: Des(Keys.pik), 200),
}))
print(hexlify(reply).decode())
"""


def measure() -> dict[str, float]:
    """Run the script under MicroPython, the library here; the numbers of ``DESCRIPTIONS``."""
    done = subprocess.run(
        [micropython.find(), "-X", "heapsize=1m", "-c", _SCRIPT],
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
        capture_output=True, text=True, check=False, timeout=120,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    numbers, reply = done.stdout.splitlines()
    result: dict[str, float] = json.loads(numbers)
    library_us = _library_us(bytes.fromhex(reply))
    result["codec.unpack_vs_pyiso8583"] = result["codec.unpack_us"] / library_us
    return result


def _library_us(message: bytes) -> float:
    body = message[codec.TPDU + codec.HEADER:]
    least = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(200):
            iso8583.decode(body, codec.SPEC)
        least = min(least, (time.perf_counter() - began) / 200 * 1e6)
    return least
