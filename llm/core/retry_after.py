"""What a provider's `Retry-After` header says, in seconds (RFC 9110, 10.2.3): a number, or a date. Pure; the time is
given."""

import math
from email.utils import parsedate_to_datetime

MOST = 86_400
"""A longer wait than a day is taken for a mistake and not passed on."""


def read_retry_after(value: bytes | None, now: float) -> float | None:
    """Whole seconds to wait from `now` (Unix time), at least 1; None when the header is absent or odd."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    try:
        seconds = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return float(max(1, math.ceil(seconds))) if seconds <= MOST else None
