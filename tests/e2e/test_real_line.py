"""A whole terminal on a real serial line (a pty) and in real time, against the programs of others.

Here these are `mobi host` and `mobi gateway`, in processes of their own.
"""

import sys

import pytest

from host_tools.acquirer import Acquirer
from host_tools.bench import Bench, stories
from host_tools.bench.bench import WrongUse
from host_tools.bench.line import LineError
from tests.programs import program

pytestmark = pytest.mark.unix_only("an emulated chip is slower than the wall clock")


def mobi(*arguments):
    """`mobi ARGUMENTS` in a process."""
    return program(sys.executable, "-u", "-m", "host_tools.cli", *arguments)


@pytest.fixture
def b(make_bench):
    # A second copy would only be waited for in real time.
    return make_bench(line="pty", settings={"copies": 1})


def test_a_sale_against_mobi_host_on_a_pty(b, tmp_path):
    database = f"sqlite:///{tmp_path}/host.sqlite"
    with mobi("host", "--port", b.line_port, "--database", database, "--trace") as host:
        host.wait("serving")
        b.power_on()
        b.sign_on()
        sale = stories.sale(b, 4300)
        host.wait("0210 sale")
    books = Acquirer(database)
    ledger = books.ledger()
    books.close()
    ledger.check()
    assert (sale.state, sale.amount) == ("approved", 4300)
    assert ledger.find(sale.trace).rrn == sale.rrn
    assert ledger.balance("merchant") == 4300
    assert stories.CARD not in "\n".join(host.lines)


def test_a_sale_through_mobi_gateway_to_an_acquirer_on_tcp(b, tmp_path):
    database = f"sqlite:///{tmp_path}/host.sqlite"
    with mobi("host", "--listen", "127.0.0.1:0", "--database", database) as host:
        port = host.wait(r"listening on [\d.]+:(\d+)")[1]
        with mobi("gateway", "--port", b.line_port, "--connect", f"127.0.0.1:{port}") as way:
            way.wait("serving")
            b.power_on()
            b.sign_on()
            sale = stories.sale(b, 1200)
    books = Acquirer(database)
    ledger = books.ledger()
    books.close()
    ledger.check()
    assert ledger.find(sale.trace).state == sale.state == "approved"


def test_faults_on_messages_need_the_own_acquirer(b):
    with pytest.raises(LineError, match="another program"):
        b.line.drop_next("reply")
    b.line.cut()
    b.line.noise(ber=1e-3)


def test_the_bench_opens_a_port_that_leads_to_the_host(make_bench):
    # The other way round: the bench opens a port (one end of a pty), the host has the other end.
    with Bench(line="pty") as other:
        b = make_bench(line=other.line_port)
        assert b.is_real_time
        b.line.from_terminal(b"~hello~")
        b.clock.advance(0.05)
        assert other._outside.port.read() == b"~hello~"
    with pytest.raises(LineError, match="pty"):
        make_bench(line="/dev/no-such-port")
    with pytest.raises(WrongUse, match="pty"):
        _ = make_bench().line_port
