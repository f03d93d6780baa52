"""What one worker may still use of one caller's limits: leased units, calls under way, and the share without a lease.

Leased units end when their lease does (`until`, from the moment of asking, so earlier than the keeper's own clock ends
it). What was used is remembered, fading at this worker's share of the rate, for a keeper that has forgotten all. Pure.
Used by `llm/gateway/limiter.py`.
"""

import math

from billing.core.keys import Limits
from llm.core.leases import HOLD_SECONDS
from llm.core.limits import MINUTE, Bucket, request_capacity, shown_duration
from llm.core.uplink import LeaseAsk, LeaseGrant, LeaseReturn, Used

IDLE_SECONDS = 120.0


class Allowance:
    """One caller at one worker."""

    def __init__(self, subject: str, limits: Limits, now: float) -> None:
        self.subject = subject
        self.limits = limits
        self.requests = self.tokens = 0
        self.slice = 0
        """How many requests the last lease brought ahead of need."""
        self.until = 0.0
        self.free = self.busy = 0
        """Slots leased and not in use; calls under way."""
        self.asking = False
        self.corrected = 0
        self.used_at = self.seen_at = now
        self.used_requests = self.used_tokens = 0.0
        self.alone_requests = self.alone_tokens = self.alone_slots = 0
        """Used from the share, which no keeper knows of yet."""
        self.share: tuple[Bucket | None, Bucket | None, int] | None = None
        self._refused: dict[str, tuple[float, int]] = {}
        """Until when the keeper said there is nothing, and how much was asked."""
        self._left: dict[str, tuple[float, float]] = {}

    def limit(self, limits: Limits) -> None:
        """The limits as they stand now. What was refused under others may be let in."""
        if limits != self.limits:
            self.share, self._refused = None, {}
        self.limits = limits

    def take(self, tokens: int, workers: int, now: float) -> bool:
        """Use leased units; False when they do not suffice."""
        limits = self.limits
        if limits.concurrent_requests is not None and self.free < 1:
            return False
        if limits.requests_per_minute is not None and (self.requests < 1 or now >= self.until):
            return False
        if limits.tokens_per_minute is not None and (self.tokens < tokens or now >= self.until):
            return False
        if limits.requests_per_minute is not None:
            self.requests -= 1
        self.tokens -= tokens
        if limits.concurrent_requests is not None:
            self.free -= 1
            self.busy += 1
        self.use(tokens, workers, now)
        return True

    def use(self, tokens: int, workers: int, now: float) -> None:
        """Remember a call."""
        self._fade(workers, now)
        self.seen_at = now
        self.used_requests += 1
        self.used_tokens += tokens

    def note(self, tokens: int, workers: int, now: float) -> None:
        """Remember how far an estimate was out; let what was used fade."""
        self._fade(workers, now)
        self.used_tokens = max(0.0, self.used_tokens + tokens)

    def wants_more(self) -> bool:
        """Whether half of the last slice is gone."""
        return self.slice > 1 and self.requests * 2 <= self.slice

    def hear(self, grant: LeaseGrant, ask: LeaseAsk, asked_at: float, now: float) -> None:
        """A lease. What the call that asked needs is its own; the rest ends with the oldest of what is still there."""
        self._left = {"requests": (grant.left_requests, now), "tokens": (grant.left_tokens, now)}
        if not grant.granted:
            return
        requests, tokens = grant.requests - ask.requests, grant.tokens - ask.tokens
        if now >= self.until or (self.requests == 0 and self.tokens == 0):
            self.until = asked_at + HOLD_SECONDS
        self.requests += requests
        self.tokens += tokens
        self.free += grant.slots - ask.slots
        if requests:
            self.slice = requests

    def refuse(self, lacking: str, wait: float, tokens: int, now: float) -> None:
        """The keeper has nothing for so long."""
        if lacking in ("requests", "tokens"):
            self._refused[lacking] = (now + wait, tokens)

    def refused(self, tokens: int, now: float) -> tuple[str, float]:
        """What the keeper is known to lack, and for how long; "" when it may have some."""
        for name, (until, asked) in self._refused.items():
            if now < until and (name == "requests" or tokens >= asked):
                return name, until - now
        return "", 0.0

    def take_share(self, tokens: int, workers: int, since: float, now: float) -> tuple[str, float]:
        """Use this worker's own part of the limits; what is lacking and for how long, or ""."""
        if self.share is None or self.share[2] != workers:
            self.share = (*_shares(self.limits, workers, since), workers)
        requests, all_tokens, _ = self.share
        slots = self.limits.concurrent_requests
        if slots is not None and self.busy >= slots // workers:
            return "slots", 1.0
        if requests is not None and requests.fill(now) < 1:
            return "requests", requests.wait(1, now)
        if all_tokens is not None and all_tokens.fill(now) < tokens:
            return "tokens", min(all_tokens.wait(tokens, now), MINUTE * workers)
        if requests is not None:
            requests.take(1, 0, now)
        if all_tokens is not None:
            all_tokens.take(tokens, 0, now)
        self.use(tokens, workers, now)
        self.alone_requests += 1
        self.alone_tokens += tokens
        if slots is not None:
            self.busy += 1
            self.alone_slots += 1
        return "", 0.0

    def go_alone(self, since: float) -> None:
        """No keeper: what was leased stays spent."""
        self.requests = self.tokens = self.free = self.corrected = 0
        self.asking = False
        self._refused = {}

    def report(self, again: bool, workers: int, now: float) -> Used:
        """What the keeper has to know: all, or only what it has not leased itself."""
        self._fade(workers, now)
        requests, tokens = self.used_requests, self.used_tokens
        if again:
            requests, tokens = self.alone_requests, self.alone_tokens
        self.alone_requests = self.alone_tokens = self.alone_slots = 0
        return Used(self.subject, self.limits, requests, tokens, self.busy)

    def confess(self) -> LeaseReturn | None:
        """What was used from the share while the keeper leased nothing, once it does again."""
        requests, tokens, slots = self.alone_requests, self.alone_tokens, self.alone_slots
        self.alone_requests = self.alone_tokens = self.alone_slots = 0
        self.share = None
        if not (requests or tokens or slots):
            return None
        return LeaseReturn(self.subject, slots=-slots, corrected=-tokens, overdrawn=requests)

    def unused(self, now: float) -> LeaseReturn | None:
        """What to give back now."""
        requests = tokens = slots = 0
        if now >= self.until:
            requests, tokens, slots = self.requests, self.tokens, self.free
            self.requests = self.tokens = self.free = 0
        corrected, self.corrected = self.corrected, 0
        if not (requests or tokens or slots or corrected):
            return None
        return LeaseReturn(self.subject, requests, tokens, slots, corrected)

    def active(self, now: float) -> bool:
        """Whether forgetting it would lose something."""
        return bool(self.busy or self.requests or self.tokens or self.free) or now - self.seen_at < IDLE_SECONDS

    def header_lines(self, now: float) -> bytes:
        """OpenAI's headers for the limits there are."""
        limits, lines = self.limits, b""
        if limits.requests_per_minute is not None:
            lines += self._lines("requests", limits.requests_per_minute, request_capacity(limits), self.requests, now)
        if limits.tokens_per_minute is not None:
            lines += self._lines("tokens", limits.tokens_per_minute, limits.tokens_per_minute, self.tokens, now)
        return lines

    def _lines(self, name: str, limit: int, capacity: float, own: int, now: float) -> bytes:
        left, at = self._left.get(name, (0.0, now))
        if self.share is not None:
            bucket = self.share[0] if name == "requests" else self.share[1]
            left, at = (0.0 if bucket is None else bucket.fill(now)), now
        rate = limit / MINUTE
        there = min(capacity, left + (now - at) * rate + own)
        reset = shown_duration((capacity - there) / rate)
        remaining = max(0, math.floor(there + 1e-9))
        lines = f"x-ratelimit-limit-{name}: {limit}\r\nx-ratelimit-remaining-{name}: {remaining}\r\n"
        return f"{lines}x-ratelimit-reset-{name}: {reset}\r\n".encode()

    def _fade(self, workers: int, now: float) -> None:
        gone, self.used_at = (now - self.used_at) / MINUTE / workers, now
        self.used_requests = max(0.0, self.used_requests - gone * (self.limits.requests_per_minute or 0))
        self.used_tokens = max(0.0, self.used_tokens - gone * (self.limits.tokens_per_minute or 0))


def _shares(limits: Limits, workers: int, since: float) -> tuple[Bucket | None, Bucket | None]:
    per_minute, tokens = limits.requests_per_minute, limits.tokens_per_minute
    return (
        None
        if per_minute is None
        else Bucket(per_minute / workers, max(1.0, request_capacity(limits) / workers), since, level=0.0),
        None if tokens is None else Bucket(tokens / workers, float(tokens), since, level=0.0),
    )
