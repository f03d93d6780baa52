"""How much a caller may use for now: token buckets with the time as an argument, and what a client is told of them.

A bucket fills at `rate` per second up to `capacity`. What is handed out may be used a little later, by a worker that
holds a lease on it; so what is still held counts against the capacity, and over any span of time no more is used than
capacity + rate x span (the property in `tests/core/test_limits.py`). Pure. Next file: `leases.py`, who hands out.
"""

import math
from collections import deque

from billing.core.keys import Limits

MINUTE = 60.0


class Bucket:
    """See the header. Amounts are requests or tokens; times are seconds of one monotonic clock."""

    __slots__ = ("at", "capacity", "held", "held_sum", "level", "rate")

    def __init__(self, per_minute: float, capacity: float, now: float, level: float | None = None) -> None:
        self.rate = per_minute / MINUTE
        self.capacity = capacity
        self.level = capacity if level is None else level
        self.at = now
        self.held: deque[list[float]] = deque()
        """Handed out and perhaps not used yet: [until when, how much], the oldest first."""
        self.held_sum = 0.0

    def fill(self, now: float) -> float:
        """Bring it up to `now`; the level, which is negative when more was used than thought."""
        held = self.held
        while held and held[0][0] <= now:
            self.held_sum -= held.popleft()[1]
        if now > self.at:
            self._raise((now - self.at) * self.rate)
            self.at = now
        return self.level

    def take(self, need: float, more: float, now: float, hold: float = 0.0) -> float:
        """Hand out `need`, and up to `more` of what is there besides; 0 when there is less than needed.

        What is needed is used at once; the rest must be used or given back within `hold` seconds.
        """
        level = self.fill(now) + 1e-9
        if level < need:
            return 0.0
        amount = need + math.floor(max(0.0, min(more, level - need)))
        self.level -= amount
        if amount > need:
            self.held.append([now + hold, amount - need])
            self.held_sum += amount - need
        return amount

    def give_back(self, amount: float, now: float) -> None:
        """Unused: back in, as far as it is still held. What comes too late is lost."""
        self.fill(now)
        while amount > 0 and self.held:
            part = min(amount, self.held[-1][1])
            self.held[-1][1] -= part
            if self.held[-1][1] <= 0:
                self.held.pop()
            self.held_sum -= part
            amount -= part
            self._raise(part)

    def correct(self, amount: float, now: float) -> None:
        """The estimate was too high by `amount` (negative: too low)."""
        self.fill(now)
        self._raise(amount)

    def wait(self, need: float, now: float) -> float:
        """Seconds until `need` is there; infinite when it never will be."""
        if need > self.capacity:
            return math.inf
        return max(0.0, (need - self.fill(now)) / self.rate)

    def change(self, per_minute: float, capacity: float, now: float) -> None:
        """Another limit from now on; what was used stays used."""
        self.fill(now)
        self.level += capacity - self.capacity
        self.rate, self.capacity = per_minute / MINUTE, capacity

    def _raise(self, amount: float) -> None:
        most = self.capacity - self.held_sum
        self.level = min(self.level + amount, max(self.level, most)) if amount > 0 else self.level + amount


def request_capacity(limits: Limits) -> float:
    """How many requests may come at once."""
    assert limits.requests_per_minute is not None
    return float(limits.burst or limits.requests_per_minute)


def shown_duration(seconds: float) -> str:
    """As in OpenAI's `x-ratelimit-reset-*`: `20ms`, `1s`, `6m0s`. https://platform.openai.com/docs/guides/rate-limits"""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
