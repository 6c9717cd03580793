"""CONTRIBUTING.md: what it names is there."""

import re

from host_tools.places import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_make_target_exists_and_every_ring_of_ci_is_told():
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"`make ([a-z0-9-]+)", TEXT))
    assert told <= targets
    rings = set(re.findall(r"^ring ([a-z0-9-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert rings - {"demo", "uf2"} <= told


def test_links_and_files_lead_somewhere():
    for name in re.findall(r"\]\(([^)#:]+)\)", TEXT) + re.findall(r"`([\w/]+\.(?:py|txt))`", TEXT):
        assert (ROOT / name).exists(), name
