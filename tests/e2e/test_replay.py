"""The same calls with the same seed are the same run, byte for byte, in another process too."""

import hashlib
import json
import os
import subprocess
import sys

from host_tools.bench import Bench, stories
from host_tools.places import ROOT


def day(seed):
    """A short day with noise, cuts and a settlement; a digest of everything that came of it."""
    with Bench(seed=seed) as b:
        b.power_on()
        b.sign_on()
        stories.sale(b, 1000)
        b.line.noise(ber=3e-4)
        sale = stories.sale(b, 2000)
        b.line.restore()
        stories.void(b, sale.trace)
        b.power_cut(at_flash_op=1, torn=True)
        stories.sale(b, 3000, wait=False)
        b.power_on()
        b.sign_on()
        b.line.drop_next("reply")
        stories.sale(b, 4000, wait=False)
        b.clock.advance(70)
        b.to_idle()
        stories.settle(b)
        things = {
            "journal": bytes(b.rig.flash[0].mem).hex(),
            "vault": bytes(b.rig.flash[1].mem).hex(),
            "paper": b.paper(),
            "screen": b.screen(),
            "trace": [entry.text() for entry in b.trace()],
            "frames": [(f.at_us, f.direction, f.info.wire.hex()) for f in b.line.frames],
            "clock": b.kernel.now_us,
            "wear": [nor.wear for nor in b.rig.flash],
        }
        return {
            name: hashlib.sha256(json.dumps(thing).encode()).hexdigest()
            for name, thing in things.items()
        }


def test_a_day_repeats_itself_within_a_process_and_across_processes():
    first = day(7)
    assert day(7) == first
    program = "import json, test_replay; print(json.dumps(test_replay.day(7)))"
    path = os.pathsep.join([str(ROOT), os.path.dirname(__file__)])
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env=dict(os.environ, PYTHONPATH=path, PYTHONHASHSEED=hash_seed, TZ="Asia/Shanghai"),
        )
        assert json.loads(done.stdout) == first


def test_another_seed_is_another_run():
    one, other = day(7), day(8)
    assert one["frames"] != other["frames"] and one["journal"] != other["journal"]
