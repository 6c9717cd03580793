"""The steps of docs/add-a-transaction.md in a copy of the tree, and the new type driven there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/add-a-transaction.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"^(In|Make) `([^`]+)`(?:, (behind|instead of) `([^`]+)`)?:\n\n```python\n(.*?)```",
    re.MULTILINE | re.DOTALL)
COPIED = ("firmware", "boards", "host_tools", "docs")

DRIVEN = """
from host_tools.bench import Bench

with Bench(seed=1) as b:
    b.power_on()
    b.sign_on()
    for card, wanted in (("good", "此卡有效"), ("lost", "挂失卡"), ("expired", "卡已过期")):
        b.choose("账户验证")
        b.swipe(card)
        b.press("ENTER")
        b.type("123456")
        b.press("ENTER")
        b.wait_for(wanted)
        b.to_idle()
    b.line.drop_next("reply")
    b.choose("账户验证")
    b.swipe("good")
    b.press("ENTER", "ENTER")
    b.clock.advance(70)
    b.to_idle()
    b.choose("交易明细")
    b.press("UP", "ENTER")
    assert b.shows("账户验证") and b.shows("成功"), b.screen()
    b.press("ENTER")
    b.to_idle()
    b.choose("结算")
    assert b.shows("无交易"), b.screen()
    print([(txn.kind, txn.state) for txn in b.journal()])
    b.host.ledger().check()
    assert b.host.ledger().balance("merchant") == 0 and not b.receipts()
"""


def apply(tree):
    for match in STEP.finditer(TEXT):
        verb, name, how, anchor, block = match.groups()
        path = tree / name
        if verb == "Make":
            assert not path.exists(), name
            path.write_text(block, encoding="utf-8")
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (at,) = [i for i, line in enumerate(lines) if anchor in line]
        lines[at + (how == "behind") : at + 1] = [block]
        path.write_text("".join(lines), encoding="utf-8")


def run(tree, *command):
    env = dict(os.environ, PYTHONPATH=str(tree))
    done = subprocess.run([sys.executable, *command], cwd=tree, env=env, capture_output=True,
                          text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_steps_make_a_transaction_type_that_works(tmp_path):
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    apply(tmp_path)
    run(tmp_path, "-m", "host_tools.font")
    run(tmp_path, "boards/cpython/menu_tree.py", "--write")
    assert run(tmp_path, "-c", DRIVEN).strip() == str([
        ("verify", "approved"), ("verify", "declined"), ("verify", "declined"),
        ("verify", "absent")])


def test_every_place_it_names_is_there():
    named = re.findall(r"^\| `([^`]+)` `([^`]+)` \|", TEXT, re.MULTILINE)
    assert len(named) > 10
    for path, name in named:
        found = re.search(rf"^(def |async def |class |    def )?{name}\b",
                          (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{path}: {name}"
