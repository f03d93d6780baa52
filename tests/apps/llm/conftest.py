"""Shared by the tests of `llm`."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

SANDBOX = "http://127.0.0.1:3290/v1"


@pytest.fixture(autouse=True)
def sandbox_listens() -> Iterator[None]:
    with override_settings(SANDBOX_URL=SANDBOX):
        yield
