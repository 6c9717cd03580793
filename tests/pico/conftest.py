"""The real image on an emulated Pico: only with ``--mobi-board pico``, after ``make uf2``."""

from pathlib import Path

import pytest

from host_tools.bench import pico
from host_tools.flash import image
from host_tools.places import ROOT

PICTURES = ROOT / "build" / "pico"


def pytest_ignore_collect(collection_path, config):
    if config.getoption("--mobi-board") != "pico":
        return True
    return None


@pytest.fixture(scope="session", autouse=True)
def current_image():
    """The image to test. It must be of the sources that lie here."""
    path = pico.image_path()
    if path == image.OUT and image.facts_of(path).get("sources") != image.sources_digest(ROOT):
        pytest.fail("the image was built from other sources than these: make uf2", pytrace=False)
    return path


@pytest.fixture
def picture(request):
    """``picture(b, name)`` writes build/pico/<test>-<nn>-<name>.png, numbered in their order."""
    taken = []
    story = Path(request.node.path).stem.removeprefix("test_")

    def take(bench, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        taken.append(name)
        bench.screenshot(PICTURES / f"{story}-{len(taken):02d}-{name}.png", scale=4)

    return take
