"""How our own processes make themselves known to the gateway: a token made of the uplink's secret."""

import hashlib


def agents_token(uplink_secret: str) -> str:
    """What the worker that runs agents sends in place of an API key."""
    return hashlib.sha256(f"agents:{uplink_secret}".encode()).hexdigest()
