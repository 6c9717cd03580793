"""Evidence bundles: complete, masked, checkable, and true about what happened."""

import contextlib
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from host_tools import cli
from host_tools.acquirer import Acquirer
from host_tools.acquirer.trace import read_text
from host_tools.bench import stories
from host_tools.evidence import verify
from tests.e2e.kit import CARD, signed_on


def load(folder):
    """The data of a bundle that verifies."""
    assert verify(folder) == []
    return json.loads((folder / "evidence.json").read_text(encoding="utf-8"))


def test_a_voided_sale_with_everything_about_it(make_bench, tmp_path):
    b = signed_on(make_bench())
    stories.sale(b, 999)  # of no interest
    sale = stories.sale(b, 5000)
    stories.void(b, sale.trace)
    page = b.evidence(sale.trace, tmp_path / "case")
    data = load(tmp_path / "case")
    assert data["finding"] == {"verdict": "agree", "differences": []}
    assert all(row["same"] for row in data["compared"])
    journal, host = data["journal"], data["host"]
    assert journal["transaction"]["state"] == host["transaction"]["state"] == "voided"
    assert [t["kind"] for t in journal["related"]] == ["void"] == [
        t["kind"] for t in host["related"]]
    assert [e["event"] for e in journal["transaction"]["events"]] == [
        "begin", "approve", "print", "print"]
    assert [m["mti"] for m in data["messages"]] == ["0200", "0210", "0200", "0210"]
    assert len(data["receipts"]) == 4 and "9.99" not in str(data["receipts"])
    assert sum(e["amount"] for e in host["entries"]) == 0 and host["entries"]
    assert {"session", "access", "void"} <= {act["kind"] for act in journal["audit"]}
    assert {act["terminal"] for act in journal["audit"]} == {b.terminal}
    assert any(note["words"] == "reason 00 0" for note in journal["case"])
    text = page.read_text(encoding="utf-8")
    for wanted in ("终端与主机一致", "消费撤销", "632600000002", "receipt-04.png",
                   hashlib.sha256((tmp_path / "case/evidence.json").read_bytes()).hexdigest()):
        assert wanted in text
    story = text[text.index("经过"):text.index("签购单</h2>")]
    order = ["开始: 50.00", "主机 0200 sale", "终端 0210 sale", "主机批准"]
    assert sorted(order, key=story.index) == order
    everything = b"".join(path.read_bytes() for path in (tmp_path / "case").iterdir())
    assert CARD.encode() not in everything
    assert not any("3012" in f["value"] for m in data["messages"] for f in m["fields"])


@pytest.mark.parametrize(("state", "verdict", "steps"), [
    ("pending-reversal", "open", ["begin", "reverse"]),
    ("refund-unknown", "open", ["begin", "lose"]),
])
def test_an_open_transaction_is_called_open(make_bench, tmp_path, state, verdict, steps):
    b = make_bench(state=state, language="en")
    b.evidence(b.journal()[-1].trace, tmp_path / "case")
    data = load(tmp_path / "case")
    assert data["finding"]["verdict"] == verdict
    assert [e["event"] for e in data["journal"]["transaction"]["events"]] == steps
    assert data["host"]["transaction"]["state"] == "approved"
    assert "No reply in time" in data["journal"]["case"][0]["says"]


def test_ends_that_differ_are_told(make_bench, tmp_path):
    b = signed_on(make_bench())
    sale = stories.sale(b, 5000)
    with contextlib.closing(Acquirer()) as other:  # the host loses its books
        with contextlib.closing(other.copy_books()) as books:
            b.host.replace_books(books)
    b.evidence(sale.trace, tmp_path / "case")
    found = load(tmp_path / "case")["finding"]
    assert found["verdict"] == "differ" and "does not stand at the host" in found["differences"][0]


def test_an_upload_and_a_settlement_are_part_of_it(make_bench, tmp_path):
    b = signed_on(make_bench())
    sale = stories.sale(b, 5000)
    b.host.rule("settlement", verdict="2")
    stories.settle(b)
    b.evidence(sale.trace, tmp_path / "case")
    data = load(tmp_path / "case")
    assert [m["operation"] for m in data["messages"]] == ["sale", "sale", "upload", "upload"]
    assert data["journal"]["settlement"]["batch"] == sale.batch
    assert data["host"]["batch"]["ended"]
    assert any("batch 000001 settled, verdict 2" in n["what"] for n in data["journal"]["audit"])


def test_from_files_on_the_command_line(make_bench, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(Acquirer("sqlite:///books.sqlite", seed=1)) as host:
        b = signed_on(make_bench(host=host))
        sale = stories.sale(b, 4200)
        b.save(tmp_path / "left")
    command = ["evidence", str(sale.trace), "--journal", "left/journal.bin", "--host-database",
               "sqlite:///books.sqlite", "--trace", "left/trace.txt", "--paper", "left/paper.txt"]
    assert cli.main(command) == 0
    assert "finding: agree" in capsys.readouterr().out
    folder = tmp_path / f"evidence-000001-{sale.trace:06d}"
    data = load(folder)
    assert len(data["receipts"]) == 2 and len(data["messages"]) == 2
    assert {s["what"] for s in data["sources"]} == {"journal", "host", "trace", "paper"}
    # A second one does not overwrite the first; another folder has the same facts.
    assert cli.main(command) == 2 and "not empty" in capsys.readouterr().err
    assert cli.main([*command, "--out", "again", "--language", "zh"]) == 0
    assert load(tmp_path / "again")["compared"] == data["compared"]
    capsys.readouterr()
    (tmp_path / "blank").write_bytes(b"\xff" * 65536)
    books = command[4:6]
    for words, verdict in (
        (command[:4], "no-host"), ([*command[:2], *books], "no-journal"),
        ([*command[:2], *books, "--journal", "blank"], "host-only"),
    ):
        assert cli.main([*words, "--out", verdict]) == 0
        assert f"finding: {verdict}" in capsys.readouterr().out
        load(tmp_path / verdict)


def test_wrong_use_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_bytes(b"abc")
    (tmp_path / "blank").write_bytes(b"\xff" * 65536)
    (tmp_path / "other.sqlite").write_bytes(b"")
    for arguments, complaint in (
        ([], "voucher number"),
        (["3"], "Where from?"),
        (["3", "--journal", "none"], "cannot read"),
        (["3", "--journal", "short"], "whole sectors"),
        (["3", "--journal", "blank"], "no transaction 000003"),
        (["3", "--journal", "blank", "--trace", "short"], "no messages"),
        (["3", "--host-database", "sqlite:///none.sqlite"], "no such file"),
        (["3", "--host-database", "sqlite:///other.sqlite"], "no books"),
    ):
        assert cli.main(["evidence", *arguments]) == 2
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "none.sqlite").exists()


def test_the_trace_read_back_is_the_trace(make_bench):
    b = signed_on(make_bench())
    stories.sale(b, 100)
    stories.refund(b, b.journal()[-1].rrn, f"{b.clock.now:%m%d}", 50)
    written = "\n".join(entry.text() for entry in b.trace())
    back = read_text("09:00:00 serving /dev/pts/3 at 115200 baud\n" + written)
    assert [(e.direction, e.operation, e.fields, e.verdict) for e in back] == [
        (e.direction, e.operation, {k: v for k, v in e.fields.items() if k != "p"}, e.verdict)
        for e in b.trace()]  # "p" is the bitmap: nothing that is not in the fields
    assert back[-1].time == b.trace()[-1].time.replace(microsecond=0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle to tamper with copies of."""
    from host_tools.bench import Bench

    folder = tmp_path_factory.mktemp("evidence") / "case"
    with Bench(state="pending-reversal") as b:
        b.evidence(b.journal()[-1].trace, folder)
    return folder


def _change_page_and_mend_sums(folder):
    page = folder / "evidence.html"
    text = page.read_text(encoding="utf-8").replace("50.00", "5.00")
    page.write_text(text, encoding="utf-8")
    names = sorted(p.name for p in folder.iterdir() if p.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / "SHA256SUMS").write_text("".join(sums))


@pytest.mark.parametrize(("tamper", "complaint"), [
    (lambda f: (f / "evidence.json").write_bytes(
        (f / "evidence.json").read_bytes().replace(b"5000", b"6000")), "evidence.json was changed"),
    (lambda f: (f / "evidence.html").unlink(), "evidence.html is missing"),
    (lambda f: (f / "note.txt").write_text("approved, honestly"), "note.txt does not belong"),
    (lambda f: (f / "SHA256SUMS").unlink(), "no evidence bundle"),
    (lambda f: (f / "SHA256SUMS").write_text(""), "evidence.json"),
    (_change_page_and_mend_sums, "evidence.html does not say what evidence.json says"),
])
def test_a_changed_bundle_is_found_out(bundle, tmp_path, capsys, tamper, complaint):
    folder = tmp_path / "copy"
    shutil.copytree(bundle, folder)
    assert cli.main(["evidence", "--verify", str(folder)]) == 0
    tamper(folder)
    assert cli.main(["evidence", "--verify", str(folder)]) == 1
    assert complaint in capsys.readouterr().out


def test_the_document_names_what_is_there(bundle):
    page = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    data = load(bundle)
    for key in (*data, *data["journal"], *data["host"], data["format"]):
        if key not in ("verdict", "damage"):
            assert f"`{key}`" in page, key
    for verdict in ("agree", "differ", "open", "host-only", "no-host", "no-journal"):
        assert f"`{verdict}`" in page
    for path in bundle.iterdir():
        name = "receipt-NN.png" if path.suffix == ".png" else path.name
        assert f"`{name}`" in page


def test_sha256sum_agrees(bundle):
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=bundle,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_several_terminals_one_must_be_named(make_bench, tmp_path, capsys):
    database = f"sqlite:///{tmp_path}/books.sqlite"
    with contextlib.closing(Acquirer(database, seed=1)) as host:
        for amount in (100, 200):
            sale = stories.sale(signed_on(make_bench(host=host)), amount)
    command = ["evidence", str(sale.trace), "--host-database", database]
    assert cli.main(command) == 2
    assert "00000001, 00000002" in capsys.readouterr().err
    folder = tmp_path / "case"
    assert cli.main([*command, "--terminal", "00000002", "--out", str(folder)]) == 0
    assert load(folder)["host"]["transaction"]["amount"] == 200
