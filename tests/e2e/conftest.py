"""What nearly every whole-terminal test begins with."""

import pytest

from tests.e2e.kit import signed_on


@pytest.fixture
def b(bench):
    """A terminal that is signed on and idle."""
    return signed_on(bench)
