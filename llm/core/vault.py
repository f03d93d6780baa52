"""Provider secrets at rest: sealed with Fernet under a key derived from the installation's secret.

Promises: what is stored cannot be read without SECRET_KEY, and a sealed text that was tampered with or sealed under
another key is refused, never guessed. After SECRET_KEY changed, the older keys given as fallbacks still open what they
sealed. Not promised: safety against someone who has both the database and SECRET_KEY.
"""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from llm.core.configuration import ConfigurationError

PURPOSE = b"circuit-breaker provider keys v1"
MASK = "••••"
SHORTEST_SHOWN = 12
"""A secret shorter than this shows nothing of itself: its last four characters would be too much of it."""


class SecretUnreadable(ConfigurationError):
    """A stored secret was sealed under another SECRET_KEY, or was changed."""

    code = "SECRET_UNREADABLE"


def seal(secret: str, master: str) -> str:
    """`secret` as text for the database, different each time."""
    return _fernet(master).encrypt(secret.encode()).decode("ascii")


def unseal(sealed: str, master: str, fallbacks: Sequence[str] = ()) -> str:
    """The secret again. Raises SecretUnreadable, whose message holds nothing of it."""
    ring = MultiFernet([_fernet(key) for key in (master, *fallbacks)])
    try:
        return ring.decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "The key was stored under another SECRET_KEY: enter it again, or list the old one in SECRET_KEY_FALLBACKS."
        ) from None


def fingerprint(secret: str) -> str:
    """What may be shown of a secret: its last four characters, or nothing of a short one."""
    return secret[-4:] if len(secret) >= SHORTEST_SHOWN else ""


def masked(shown: str) -> str:
    """A fingerprint as people see it, e.g. `••••a1b2`."""
    return MASK + shown


def _fernet(master: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(master.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
