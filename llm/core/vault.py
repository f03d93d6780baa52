"""Provider secrets at rest, sealed as `billing/core/sealing.py` says, and what may be shown of them.

After SECRET_KEY changed, the older keys given as fallbacks still open what they sealed.
"""

from collections.abc import Sequence

from billing.core import sealing
from llm.core.configuration import ConfigurationError

PURPOSE = "circuit-breaker provider keys v1"
MASK = "••••"
SHORTEST_SHOWN = 12
"""A secret shorter than this shows nothing of itself: its last four characters would be too much of it."""


class SecretUnreadable(ConfigurationError):
    """A stored secret was sealed under another SECRET_KEY, or was changed."""

    code = "SECRET_UNREADABLE"


def seal(secret: str, master: str) -> str:
    """`secret` as text for the database, different each time."""
    return sealing.seal(secret, master, PURPOSE)


def unseal(sealed: str, master: str, fallbacks: Sequence[str] = ()) -> str:
    """The secret again. Raises SecretUnreadable, whose message holds nothing of it."""
    try:
        return sealing.unseal(sealed, master, PURPOSE, fallbacks)
    except sealing.Unreadable:
        raise SecretUnreadable(
            "The key was stored under another SECRET_KEY: enter it again, or list the old one in SECRET_KEY_FALLBACKS."
        ) from None


def fingerprint(secret: str) -> str:
    """What may be shown of a secret: its last four characters, or nothing of a short one."""
    return secret[-4:] if len(secret) >= SHORTEST_SHOWN else ""


def masked(shown: str) -> str:
    """A fingerprint as people see it, e.g. `••••a1b2`."""
    return MASK + shown
