"""Signed webhooks by the Standard Webhooks specification (standardwebhooks.com, symmetric signatures `v1`).

A message has an id, which stays the same when it is sent again, a time, and a body; its signature covers all three.
`verify` refuses a message whose time is further away than TOLERANCE: a recorded one is of use for that long only, and
within it the id tells it from a new one. Next: `services/webhooks.py` for what comes in, `actions/webhooks.py` for out.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from workflows.core.errors import BadInput, WorkflowError
from workflows.core.payload import checked_text

PREFIX = "whsec_"
SECRET_BYTES = 32
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, by the specification."""
TOLERANCE = 300
"""Seconds."""
LONGEST_ID = 200
URL_LENGTH = 500
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class BadSignature(WorkflowError):
    """A message that is not from whom it should be, or is too old. The message tells a sender what to mend."""

    code = "BAD_SIGNATURE"


def new_secret(random: bytes) -> str:
    """A secret as both sides write it, of SECRET_BYTES random bytes."""
    return PREFIX + base64.b64encode(random).decode()


def is_secret(text: str) -> bool:
    try:
        return SHORTEST <= len(_key(text)) <= LONGEST
    except (ValueError, binascii.Error):
        return False


def check_url(url: str) -> str:
    """The address, if messages can be sent there; raises BadInput."""
    checked_text(url, "url", URL_LENGTH)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput("url", "must be http(s)://host/…, without a password")
    return url


def signed_headers(secret: str, message_id: str, now: float, body: bytes) -> dict[str, str]:
    """The three headers that go with a message."""
    seconds = int(now)
    return dict(zip(HEADERS, (message_id, str(seconds), _signature(secret, message_id, seconds, body)), strict=True))


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The message's id; `headers` by lower-case name. Raises BadSignature."""
    missing = [name for name in HEADERS if not headers.get(name)]
    if missing:
        raise BadSignature(f"The header {missing[0]} is missing.")
    message_id, written, signatures = (headers[name] for name in HEADERS)
    if len(message_id) > LONGEST_ID or not message_id.isprintable():
        raise BadSignature(
            f"The header webhook-id has more than {LONGEST_ID} characters, or some that cannot be shown."
        )
    if not (written.isascii() and written.isdigit() and len(written) <= 12):
        raise BadSignature("The header webhook-timestamp is no number of seconds.")
    if abs(now - int(written)) > TOLERANCE:
        raise BadSignature(f"The header webhook-timestamp is more than {TOLERANCE} s away from the time here.")
    right = _signature(secret, message_id, int(written), body).encode()
    given = [each.encode("utf-8", "replace") for each in signatures.split()[:20]]
    if not any(hmac.compare_digest(right, each) for each in given):
        raise BadSignature("No signature of the header webhook-signature is right.")
    return message_id


def _signature(secret: str, message_id: str, seconds: int, body: bytes) -> str:
    said = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), said, sha256).digest()).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
