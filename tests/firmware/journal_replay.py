"""Replays lives of the journal under MicroPython: journal_replay.py FILE, a life per line as JSON.

Every life must go as it went under CPython, to the last bit of the chip.
"""

import json
import sys
from binascii import crc32

sys.path.insert(0, sys.argv[0].rpartition("/")[0])

from journal_player import Life


def main(path):
    """Play them all; the number of the first that goes another way is the exit code's reason."""
    count = cuts = 0
    with open(path) as file:
        for text in file:
            told = json.loads(text)
            life = Life(told["unit"], told["seed"], told["trace"])
            for step in told["steps"]:
                life.play(step)
            if crc32(life.nor.mem) != told["image"]:
                raise ValueError("another image: " + text)
            count += 1
            cuts += life.cuts
    print(json.dumps({"lives": count, "cuts": cuts}))


main(sys.argv[1])
