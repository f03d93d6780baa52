"""The running product, shared by every test that does not kill it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running import Running


@pytest.fixture(scope="session")
def product() -> Iterator[Running]:
    """`manage.py serve` as a newcomer runs it: memory storage, no key, no service."""
    with Running(storage="memory") as running:
        yield running
