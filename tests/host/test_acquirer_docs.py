"""docs/acquirer.md says what the code does: tables, names of rules and requests, examples."""

import dataclasses
import re
from datetime import datetime

import pytest

from host_tools.acquirer import Acquirer, Policy, Rule
from host_tools.acquirer.config import load
from host_tools.acquirer.requests import GROUPS, OPERATIONS
from host_tools.acquirer.tables import DOCUMENT, renewed
from tests.host.acquirer_kit import Bank

TEXT = DOCUMENT.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_tables_are_current():
    assert renewed(TEXT) == TEXT, "run python -m host_tools.acquirer.tables"


def test_every_part_of_a_rule_is_described():
    parts = {field.name for field in dataclasses.fields(Rule) if field.init} - {"name"}
    for part in parts:
        assert re.search(rf"`{part}[=`]", TEXT), f"{part} is not described"


def test_every_operation_and_group_is_named():
    for name in [*OPERATIONS, *GROUPS]:
        assert name == "unsupported" or name in TEXT, name


def test_every_policy_is_named():
    for field in dataclasses.fields(Policy):
        assert field.name in TEXT


def test_every_code_the_host_gives_is_in_the_table():
    given = set()
    for name in ("payments", "session", "settlement", "host"):
        source = (DOCUMENT.parents[1] / "host_tools" / "acquirer" / f"{name}.py").read_text(
            encoding="utf-8")
        given |= set(re.findall(r'Refused\(\s*"(..)"', source))
        given |= set(re.findall(r'Outcome\("(..)"', source))
    told = set()
    for first in re.findall(r"^\| ([A-Z0-9, ]{2,14}) \|", TEXT, re.MULTILINE):
        told |= set(first.split(", "))
    assert given | {"30"} <= told, given - told


def test_the_python_examples_run():
    first, codes, second = blocks("python")
    bank = Bank()
    exec(first, {"message": bank.pos.sale(100)})
    known = {"__name__": "example"}
    exec(codes, known)
    told = re.search(r"# (\d{18}),", codes)
    assert told and known["payment_code"](known["TEST_CARDS"][0], 1) == told[1]
    assert known["TEST_CARDS"][3].name in codes
    exec(second, {"host": bank.host})
    assert bank.code(bank.pos.sale(100)) == "00"


def test_the_configuration_example_loads(tmp_path):
    pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    (example,) = blocks("toml")
    path = tmp_path / "host.toml"
    path.write_text(example, encoding="utf-8")
    config = load(path)
    host = Acquirer(policy=config.policy, terminals=config.terminals)
    host.add_cards(config.cards)
    host.rules += config.rules
    assert host.handle(b"", datetime(2026, 1, 1)) == []
