"""The profile of the emulated Pico: it names the firmware's functions and loses no time."""

import pytest

from host_tools.bench import stories
from host_tools.bench.profile import NoSymbols, Profile

pytestmark = pytest.mark.pico


def test_it_tells_by_function_what_a_sale_computes(bench):
    bench.power_on()
    bench.sign_on()
    before = bench.measure()["slept_us"]
    began = bench.clock.seconds
    with Profile(bench) as found:
        stories.sale(bench, 1200)
    # Against the firmware's own count of what it slept.
    busy = (bench.clock.seconds - began) * 1e6 - (bench.measure()["slept_us"] - before)
    assert found.busy_us == pytest.approx(busy, rel=0.1)
    assert sum(found.in_c.values()) == pytest.approx(found.busy_us)
    assert sum(found.own.values()) >= 0.95 * found.busy_us, "stacks that could not be read"
    loop = "mobi/loop.py Loop.turn"
    sale = "mobi/flows/sale.py run"
    assert found.whole[loop] > found.whole[sale] > found.own[sale] > 0
    assert found.whole["mobi/acquiring/messages.py Composer.build"] > 0
    assert loop in found.table() and "gc_alloc" in found.table()


def test_only_an_emulated_pico_can_be_watched(make_bench):
    with pytest.raises(NoSymbols, match="the emulated Pico"):
        Profile(make_bench(board="unix"))
