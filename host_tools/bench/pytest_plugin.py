"""pytest plugin: the bench as a fixture, for this project's tests and for other people's.

    def test_a_sale(bench):
        bench.power_on()
        bench.sign_on()
        ...

    def test_a_void(signed_on):                # switched on, logged in, idle
        ...

    def test_settings(make_bench):
        bench = make_bench(settings={"copies": 1})

    def test_every_cut(sweep):
        sweep(lambda bench: stories.sale(bench, 50_00))

``make_module_bench`` and ``make_session_bench`` make benches that live as long as that. Installed
with the package; nothing to register. When a test fails, the folder of its benches is
kept and named in the report, with screen, paper, flash images and trace in it. `--mobi-board`
chooses the board ("unix" by default), `--mobi-seed` the seed, `--mobi-cut` the one cut of a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from host_tools.bench import Bench
    from host_tools.bench.sweep import Result

def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mobi", "payment terminal bench")
    group.addoption("--mobi-board", default="unix", help="board the benches run on")
    group.addoption("--mobi-seed", type=int, default=1, help="seed of the benches")
    group.addoption("--mobi-cut", metavar="CUT", help="sweeps make only this cut: power:3:torn")


def _benches(
    request: pytest.FixtureRequest, folder: Path
) -> Iterator[Callable[..., Bench]]:
    # Makes benches and closes them; saves what they are left with when a test failed meanwhile.
    from host_tools.bench import Bench

    made: list[Bench] = []
    before = request.session.testsfailed

    def make(**options: Any) -> Bench:
        options.setdefault("board", request.config.getoption("--mobi-board"))
        options.setdefault("seed", request.config.getoption("--mobi-seed"))
        bench = Bench(**options)
        made.append(bench)
        return bench

    yield make
    failed = request.session.testsfailed > before
    crashes: list[str] = []
    lies: list[str] = []
    for number, bench in enumerate(made):
        bench.oracle.look_up()
        crashes += bench.crashes
        lies += bench.lies
        if failed or bench.crashes or bench.lies:
            bench.save(folder / f"bench-{number}")
            print(f"what the bench was left with: {folder / f'bench-{number}'}")
            options = f"--mobi-board {bench.board.name} --mobi-seed {bench.seed}"
            print(f"run it again: pytest '{request.node.nodeid or '.'}' {options}")
        bench.close()
    if crashes and not failed:
        pytest.fail("the firmware crashed: " + "; ".join(crashes))
    if lies and not failed:
        pytest.fail("what the terminal said is not what the books say:\n" + "\n".join(lies)
                    + "\n(a test that makes somebody lie says so: bench.expect_lies(reason))")


@pytest.fixture
def make_bench(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Bench]]:
    """Makes benches: ``make_bench(**options)``, see ``host_tools.bench.Bench``."""
    yield from _benches(request, tmp_path)


@pytest.fixture(scope="module")
def make_module_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Bench]]:
    """As ``make_bench``, for fixtures that all tests of a module share."""
    yield from _benches(request, tmp_path_factory.mktemp("benches"))


@pytest.fixture(scope="session")
def make_session_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Bench]]:
    """As ``make_bench``, for fixtures that all tests of the session share."""
    yield from _benches(request, tmp_path_factory.mktemp("benches"))


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A bench with a provisioned terminal that is switched off."""
    return make_bench()


@pytest.fixture
def signed_on(bench: Bench) -> Bench:
    """The same bench, switched on, operator 01 logged in, signed on and idle."""
    bench.power_on()
    bench.sign_on()
    return bench


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> Callable[..., list[Result]]:
    """Tells a story with power and line cut at every place and checks the money each time.

    ``sweep(act, prepare=None, power=True, line=True, thin=1, **options)``: see `Story`,
    `Size.cuts` and `Sweep` in ``host_tools.bench.sweep``.
    """
    from host_tools.bench.sweep import Cut, Story, Sweep, SweepError

    board = request.config.getoption("--mobi-board")
    seed = request.config.getoption("--mobi-seed")
    only = request.config.getoption("--mobi-cut")

    def run(
        act: Callable[[Bench], object], prepare: Callable[[Bench], object] | None = None, *,
        power: bool = True, line: bool = True, thin: int = 1, **options: Any,
    ) -> list[Result]:
        name = request.node.nodeid
        story = Story(name, act, prepare or (lambda bench: None))
        cut = Sweep(story, **{"seed": seed, "board": board, **options})
        try:
            return cut.check(
                [Cut.parse(only)] if only else cut.measure().cuts(power, line, thin=thin))
        except SweepError as error:
            again = f"pytest '{name}' --mobi-board {board} --mobi-seed {seed} --mobi-cut CUT"
            raise SweepError(f"{error}\nreplay one of them: {again}") from None

    return run
