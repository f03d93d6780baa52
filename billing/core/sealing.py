"""Secrets at rest: sealed with Fernet under a key derived from the installation's secret, one for each purpose.

Promises: what is stored cannot be read without SECRET_KEY, and a sealed text that was tampered with or sealed under
another key or for another purpose is refused, never guessed. Not promised: safety against someone who has both the
database and SECRET_KEY. It stands at the bottom because every app above may have secrets; each names its purpose.
"""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Unreadable(Exception):
    """Sealed under another key or for another purpose, or changed since."""


def seal(secret: str, master: str, purpose: str) -> str:
    """`secret` as text for the database, different each time."""
    return _fernet(master, purpose).encrypt(secret.encode()).decode("ascii")


def unseal(sealed: str, master: str, purpose: str, fallbacks: Sequence[str] = ()) -> str:
    """The secret again; `fallbacks` are older masters. Raises Unreadable, which says nothing of it."""
    ring = MultiFernet([_fernet(key, purpose) for key in (master, *fallbacks)])
    try:
        return ring.decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _fernet(master: str, purpose: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(master.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
