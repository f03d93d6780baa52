"""What calls are known by: our own ids, which nobody can guess, and those that clients give."""

import os

MAX_ID = 128
ID_BYTES = 16
_random = b""


def new_id() -> str:
    """An id nobody can guess: whoever knows a stream's id may read it. Randomness is fetched for 256 at a time."""
    global _random
    if not _random:
        _random = os.urandom(ID_BYTES * 256)
    fresh, _random = _random[:ID_BYTES], _random[ID_BYTES:]
    return fresh.hex()


def request_id(given: bytes) -> bytes | None:
    """The client's own request id, if it may stand in a header, a log and a table."""
    if not 0 < len(given) <= MAX_ID or not given.isascii():
        return None
    return given if given.decode("ascii").isprintable() else None
