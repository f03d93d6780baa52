"""Every form of Retry-After a provider may send."""

import pytest

from llm.core.retry_after import read_retry_after

NOON = 1_735_732_800.0  # 2025-01-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        (b"2", 2),
        (b" 1.2 ", 2),
        (b"0", 1),
        (b"86400", 86_400),
        (b"86401", None),
        (b"Wed, 01 Jan 2025 12:00:30 GMT", 30),
        (b"Wed, 01 Jan 2025 11:00:00 GMT", 1),
        (b"soon", None),
        (b"-5", None),
        (b"", None),
        (b"1e999", None),
        (b"\xff", None),
    ],
)
def test_retry_after(given: bytes | None, seconds: float | None) -> None:
    assert read_retry_after(given, NOON) == seconds
