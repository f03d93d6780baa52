"""Who may call: API keys, looked up in the present snapshot. No other process, no database, no clock but our own.

A key comes as `Authorization: Bearer`, `x-api-key`, `api-key` or `x-goog-api-key`. With API_KEY_REQUIRED a call without
a valid key is refused with 401. Without it none is needed and any other word (`not-needed`) counts as none; but what
looks like a key of ours must be valid also then: a revoked key is refused. What a header value means is remembered, so
that nothing is hashed per request; the memory goes with its snapshot, and with it what was revoked. Our own agents show
a token made of the uplink's secret. Next file: `pipeline.py`.
"""

import time
from collections.abc import Collection, Sequence

import msgspec

from billing.core.keys import PREFIX, SCOPES, Limits, digest, well_formed
from llm.core.deployment import Deployment, permitted
from llm.core.errors import Forbidden, InvalidKey
from llm.core.internal import agents_token
from llm.core.snapshot import ApiKey, Snapshot
from llm.gateway.exchange import Exchange

KEY_HEADERS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where a key may stand; the first that is there counts."""
MAX_REMEMBERED = 10_000
"""Header values whose meaning is kept; beyond it all are forgotten and looked up again."""
MAX_HEADER = 512
"""A longer header holds no key of ours and is not remembered."""
AGENTS = ApiKey("", "", SCOPES)
"""Our own agents, whose token is no key: without limits, and not named in records."""
AGENTS_OWNER = "agents"
"""Whose streams theirs are: no key of a client may read them."""
MISSING = "No API key was given. Send yours as `Authorization: Bearer <key>`."
INCORRECT = "Incorrect API key provided: it is not known here, or has been revoked. Ask who gave it to you for another."


class Admission:
    """The keys of one worker."""

    def __init__(self, required: bool, uplink_secret: str, default: Limits | None = None) -> None:
        """`default`: the limits of keys without their own, and of each address without a key."""
        self.default = default or None
        self.required = required
        self._agents = agents_token(uplink_secret) if uplink_secret else None
        self._by_digest: dict[str, ApiKey] = {}
        self._remembered: dict[bytes, ApiKey | None] = {}
        self._revoked: set[str] = set()
        """Digests of keys that the latest snapshot, or one on its way, may still have."""

    def configure(self, snapshot: Snapshot) -> None:
        """From now on the keys of this snapshot count, but for those revoked since it was made."""
        self._by_digest = {
            key.digest: key if key.limits or not self.default else msgspec.structs.replace(key, limits=self.default)
            for key in snapshot.api_keys
        }
        self._revoked.intersection_update(self._by_digest)
        self.revoke(self._revoked)

    def revoke(self, digests: Collection[str]) -> None:
        """Refuse these keys from now on; a snapshot made before and still on its way does not bring them back."""
        self._revoked.update(digests)
        for one in digests:
            self._by_digest.pop(one, None)
        self._remembered = {}

    def authenticate(self, exchange: Exchange, scope: str = "chat") -> ApiKey | None:
        """The caller's key; None for one that needs none. Raises InvalidKey, or Forbidden without the right `scope`."""
        fields = exchange.fields
        given = None
        for name in KEY_HEADERS:
            given = fields.get(name)
            if given:
                break
        if given is None:
            if self.required:
                raise InvalidKey(MISSING)
            return None
        remembered = self._remembered
        key = remembered[given] if given in remembered else self._look_up(given)
        if key is None:
            return None
        if key.expires_at is not None and key.expires_at <= time.time_ns():
            raise InvalidKey("This API key has expired.")
        if scope not in key.scopes:
            raise Forbidden(f"This API key has not the right `{scope}`.", "insufficient_scope")
        return key

    def limits_of(self, key: ApiKey | None) -> Limits | None:
        """What the caller may use; None: without limit."""
        return self.default if key is None else key.limits or None

    def reader(self, exchange: Exchange) -> str | None:
        """Whose streams (`Call.owner`) may be read by who asks here, besides those that belong to nobody."""
        try:
            key = self.authenticate(exchange)
        except (InvalidKey, Forbidden):
            return None
        return None if key is None else key.id or AGENTS_OWNER

    def _look_up(self, given: bytes) -> ApiKey | None:
        """The key of a header value seen for the first time. Only what is let in is remembered."""
        text = given.decode("latin-1")
        scheme, space, rest = text.partition(" ")
        token = rest.strip() if space and scheme.lower() == "bearer" else text.strip()
        key = AGENTS if token == self._agents else None
        if key is None and (self.required or token.startswith(PREFIX)):
            key = self._known(token)
        if len(given) <= MAX_HEADER:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[given] = key
        return key

    def _known(self, token: str) -> ApiKey:
        key = self._by_digest.get(digest(token)) if well_formed(token) else None
        if key is not None:
            return key
        if token.startswith(PREFIX) and not well_formed(token):
            raise InvalidKey("Incorrect API key provided: it is mistyped or not whole. Copy it again.")
        raise InvalidKey(INCORRECT)


def permit(key: ApiKey | None, candidates: Sequence[Deployment], model: str) -> Sequence[Deployment]:
    """The candidates the key may use, in their order. Raises Forbidden when there is none."""
    if key is None or not key.models:
        return candidates
    found = permitted(candidates, key.models)
    if not found:
        raise Forbidden(f"This API key may not use the model `{model}`.", "model_not_allowed")
    return found
