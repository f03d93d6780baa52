"""What one worker may still use of one caller's limits: leased units, calls under way, and the share without a lease.

Leased units end when their lease does (`until`, from the moment of asking, so earlier than the keeper's own clock ends
it). What was used is remembered, fading at this worker's share of the rate, for a keeper that has forgotten all. Pure.
Used by `llm/gateway/limiter.py`.
"""

import math
from collections import deque

from msgspec.structs import replace

from billing.core.keys import Limits
from llm.core.leases import HOLD_SECONDS, RETURN_SECONDS
from llm.core.limits import MINUTE, Bucket, request_capacity, shown_duration
from llm.core.uplink import LeaseAsk, LeaseGrant, LeaseReturn, Used

IDLE_SECONDS = 120.0


class Allowance:
    """One caller at one worker."""

    def __init__(self, subject: str, limits: Limits, now: float) -> None:
        self.subject = subject
        self._prepare(limits)
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
        self._owed: LeaseReturn | None = None
        """What could not be given back yet: the uplink took no more frames, or broke before they had left."""
        self._owed_until = math.inf
        """Until when units among it may be given back: later they count as used, and others may hold theirs."""
        self._given: deque[tuple[float, LeaseReturn]] = deque()
        """What was given back lately, each until when it may be: it may not have left yet."""
        self.share: tuple[Bucket | None, Bucket | None, int] | None = None
        self._refused: dict[str, tuple[float, int]] = {}
        """Until when the keeper said there is nothing, and how much was asked."""
        self._left_requests = self._left_tokens = 0.0
        self._left_at = math.inf
        """What the keeper had left when it last said so, and when that was (never yet: infinite)."""

    def _prepare(self, limits: Limits) -> None:
        """Spell out what every call needs of the limits."""
        self.limits = limits
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self._of_requests, self._of_tokens = requests is not None, tokens is not None
        self.of_slots = limits.concurrent_requests is not None
        self._request_rate, self._token_rate = (requests or 0) / MINUTE, (tokens or 0) / MINUTE
        self._told_requests = Told("requests", requests, request_capacity(limits)) if requests is not None else None
        self._told_tokens = Told("tokens", tokens, float(tokens)) if tokens is not None else None

    def limit(self, limits: Limits) -> None:
        """The limits as they stand now. What was refused under others may be let in."""
        if limits != self.limits:
            self.share, self._refused = None, {}
        self._prepare(limits)

    def take(self, tokens: int, workers: int, now: float) -> bool:
        """Use leased units; False when they do not suffice."""
        if self.of_slots and self.free < 1:
            return False
        if self._of_requests and (self.requests < 1 or now >= self.until):
            return False
        if self._of_tokens and (self.tokens < tokens or now >= self.until):
            return False
        if self._of_requests:
            self.requests -= 1
        self.tokens -= tokens
        if self.of_slots:
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
        self._left_requests, self._left_tokens, self._left_at = grant.left_requests, grant.left_tokens, now
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
        """No keeper: what was used beyond what it leased is told to the next one. What is left is given back, if that
        is the same one and it comes in time; slots it asks for anew."""
        left = LeaseReturn(self.subject, self.requests, self.tokens, 0, self.corrected)
        self.owe(left, self.until + RETURN_SECONDS)
        owed = self._owed
        assert owed is not None
        self.alone_tokens += max(0, -owed.corrected)
        self.alone_requests += owed.overdrawn
        rest = LeaseReturn(self.subject, owed.requests, owed.tokens, 0, max(0, owed.corrected))
        self._owed = rest if rest.requests or rest.tokens or rest.corrected else None
        if self._owed is None:
            self._owed_until = math.inf
        self._given.clear()
        self.requests = self.tokens = self.free = self.corrected = 0
        self.asking = False
        self._refused = {}

    def report(self, again: bool, workers: int, now: float) -> Used:
        """What the keeper has to know: all, or only what it has not leased itself."""
        self._fade(workers, now)
        requests, tokens = self.used_requests, self.used_tokens
        if again:
            requests, tokens = float(self.alone_requests), float(self.alone_tokens)
        else:
            self._owed, self._owed_until = None, math.inf  # it is another's
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

    def unused(self, now: float, slots: bool = True) -> LeaseReturn | None:
        """What to give back now; without `slots` only what the next lease would prolong."""
        requests = tokens = free = 0
        good_until = math.inf
        if now >= self.until:
            requests, tokens, self.requests, self.tokens = self.requests, self.tokens, 0, 0
            if slots:
                free, self.free = self.free, 0
            good_until = self.until + RETURN_SECONDS
        corrected, self.corrected = self.corrected, 0
        if requests or tokens or free or corrected:
            self.owe(LeaseReturn(self.subject, requests, tokens, free, corrected), good_until)
        owed, good_until = self._owed, self._owed_until
        self._owed, self._owed_until = None, math.inf
        if owed is None or not (owed.requests or owed.tokens):
            return owed
        if now >= good_until:
            owed = replace(owed, requests=0, tokens=0)
            return owed if owed.slots or owed.corrected or owed.overdrawn else None
        while self._given and self._given[0][0] <= now:
            self._given.popleft()
        self._given.append((good_until, owed))
        return owed

    def owe(self, returned: LeaseReturn, good_until: float) -> None:
        """It could not be sent: `unused` has it again, units only until then."""
        self._owed = _together(returned, self._owed)
        if returned.requests or returned.tokens:
            self._owed_until = min(self._owed_until, good_until)

    def owe_again(self, returned: LeaseReturn) -> None:
        """It was given back and has not left."""
        good_until = next((until for until, one in self._given if one == returned), -math.inf)
        self.owe(returned, good_until)

    def active(self, now: float) -> bool:
        """Whether forgetting it would lose something."""
        return (
            bool(self.busy or self.requests or self.tokens or self.free or self._owed)
            or now - self.seen_at < IDLE_SECONDS
        )

    def header_lines(self, now: float) -> bytes:
        """OpenAI's headers for the limits there are."""
        lines, share = b"", self.share
        since = max(0.0, now - self._left_at)
        if self._told_requests is not None:
            there = self._left_requests + since * self._request_rate
            if share is not None:
                there = 0.0 if share[0] is None else share[0].fill(now)
            lines = self._told_requests.lines(there + self.requests)
        if self._told_tokens is not None:
            there = self._left_tokens + since * self._token_rate
            if share is not None:
                there = 0.0 if share[1] is None else share[1].fill(now)
            lines += self._told_tokens.lines(there + self.tokens)
        return lines

    def _fade(self, workers: int, now: float) -> None:
        if now == self.used_at:
            return
        gone = (now - self.used_at) / workers
        self.used_at = now
        self.used_requests = max(0.0, self.used_requests - gone * self._request_rate)
        self.used_tokens = max(0.0, self.used_tokens - gone * self._token_rate)


class Told:
    """OpenAI's headers for one limit."""

    def __init__(self, name: str, limit: int, capacity: float) -> None:
        self._capacity = capacity
        self._rate = limit / MINUTE
        self._form = (
            f"x-ratelimit-limit-{name}: {limit}\r\nx-ratelimit-remaining-{name}: %d\r\nx-ratelimit-reset-{name}: %b\r\n"
        ).encode()
        self._full = self._form % (int(capacity), b"0s")

    def lines(self, there: float) -> bytes:
        """`there`: how much is left now; never more than fits is said."""
        if there >= self._capacity:
            return self._full
        reset = shown_duration((self._capacity - there) / self._rate).encode()
        return self._form % (max(0, math.floor(there + 1e-9)), reset)


def _together(one: LeaseReturn, other: LeaseReturn | None) -> LeaseReturn:
    if other is None:
        return one
    return LeaseReturn(
        one.subject,
        one.requests + other.requests,
        one.tokens + other.tokens,
        one.slots + other.slots,
        one.corrected + other.corrected,
        one.overdrawn + other.overdrawn,
    )


def _shares(limits: Limits, workers: int, since: float) -> tuple[Bucket | None, Bucket | None]:
    per_minute, tokens = limits.requests_per_minute, limits.tokens_per_minute
    return (
        None
        if per_minute is None
        else Bucket(per_minute / workers, max(1.0, request_capacity(limits) / workers), since, level=0.0),
        None if tokens is None else Bucket(tokens / workers, float(tokens), since, level=0.0),
    )
