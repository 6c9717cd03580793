"""`mobi journal`: every view, format, language, masked; whole and damaged images, wrong files."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

from host_tools.cli import main
from tests.host.released_images import IMAGES

PAN = "6222021234567890128"
VIEWS = ("dump", "verify", "stats", "story")


@pytest.fixture
def image(tmp_path):
    """A worn journal with a torn end."""
    return unpacked(tmp_path, "journal-v1-unit1")


@pytest.fixture
def run(capsys):
    """Runs a command: (exit code, output, errors)."""

    def call(*args):
        code = main(["journal", *map(str, args)])
        return code, *capsys.readouterr()

    return call


def unpacked(folder, name):
    path = folder / f"{name}.bin"
    path.write_bytes(gzip.decompress((IMAGES / f"{name}.bin.gz").read_bytes()))
    return path


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("form", ["text", "json", "csv"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_something_and_nothing_secret(run, image, view, form, language):
    code, out, errors = run(view, image, "--format", form, "--language", language)
    assert code == 0 and out and not errors
    assert PAN not in out and PAN[8:] not in out
    if form == "json":
        assert json.loads(out)
    elif form == "csv":
        assert rows(out) and None not in rows(out)[0]  # no row is longer than its head
    if form == "text" and view in ("dump", "story"):
        assert ("冲正" in out) == (language == "zh") and ("revers" in out) == (language == "en")


def test_dump_has_the_same_transactions_in_every_format(run, image):
    told = json.loads(run("dump", image, "--format", "json")[1])
    lines = rows(run("dump", image, "--format", "csv")[1])
    text = run("dump", image)[1].splitlines()
    assert len(told) == len(lines) == len(text) - 1
    for one, line in zip(told, lines, strict=True):
        for name in ("trace", "amount", "state", "rrn"):
            assert str(one[name]) == line[name]
    part = next(one for one in told if one["approved_amount"] is not None)
    assert (part["amount"], part["approved_amount"], part["masked_pan"]) == (
        5000, 3000, "622202*********0128",
    )  # fmt: skip
    assert any("50.00" in line and "30.00" in line for line in text)
    assert part["history"][0][0] == "begin" and part["history"][1][0] == "approve"


def test_dump_of_records_shows_places_and_what_is_torn(run, image):
    told = json.loads(run("dump", image, "--records", "--format", "json")[1])
    torn = [one for one in told if one["kind"] == "torn"]
    assert len(torn) == 1 and torn[0] == told[-1] and not torn[0]["counts"]
    places = [(one["sector"], one["offset"]) for one in told]
    assert len(set(places)) == len(places)


def test_a_damaged_image_is_told_by_text_and_exit_code(run, image):
    records = json.loads(run("dump", image, "--records", "--format", "json")[1])
    hit = records[len(records) // 2]
    data = bytearray(image.read_bytes())
    data[hit["sector"] * 4096 + hit["offset"] + 4] ^= 0x10
    image.write_bytes(data)
    code, out, _ = run("verify", image)
    assert code == 1 and "verdict: damaged" in out
    assert f"damage: sector {hit['sector']}, offset {hit['offset']}" in out
    assert "no whole record" in run("story", image)[1]
    assert "不是完整的记录" in run("story", image, "--language", "zh")[1]
    assert len(run("dump", image)[1].splitlines()) > 30  # the rest is still there


@pytest.mark.parametrize("filled, verdict", [(0xFF, "empty"), (0, "foreign")])
def test_what_is_no_journal(run, tmp_path, filled, verdict):
    path = tmp_path / "other.bin"
    path.write_bytes(bytes([filled]) * 8192)
    assert run("verify", path)[0] == 1
    assert run("dump", path)[1] == f"no transactions; the image is {verdict}\n"
    for view in ("stats", "story"):
        assert run(view, path)[0] == 0


@pytest.mark.parametrize("view", [*VIEWS, "vault"])
def test_wrong_files_are_explained(run, tmp_path, view):
    code, out, errors = run(view, tmp_path / "none.bin")
    assert code == 2 and not out and "cannot read" in errors and "none.bin" in errors
    path = tmp_path / "short.bin"
    path.write_bytes(b"x" * 5000)
    code, out, errors = run(view, path)
    assert code == 2 and not out and "5000 bytes" in errors and "nothing was changed" in errors
    code, _, errors = run(view, tmp_path)
    assert code == 2 and "cannot read" in errors


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_a_vault_shows_names_and_sizes_never_values(run, tmp_path, form):
    path = unpacked(tmp_path, "vault-v1")
    code, out, errors = run("vault", path, "--format", form)
    assert code == 0 and not errors
    assert "kM" in out and "16" in out
    assert "master key" not in out and b"new master key..".hex() not in out
    path.write_bytes(bytes(8192))
    assert run("vault", path)[0] == 1
