"""The control plane's side of limits: it keeps the buckets of every limited caller and leases parts to the workers.

Why leases: a limit holds over all workers, yet no request waits for another process in the usual case. A worker asks
for what it needs and gets, where the limit is high, what it will use in the next HOLD_SECONDS besides; where the limit
is low exactly what it needs, so that it is exact and one connection can use it in full.

Never: more than the limit over all workers together (of requests: capacity + rate x time), also when workers die, as
what a dead worker held stays spent; or when this process starts again, as nothing is leased until the workers known
before have said what they used (`expect`), or SETTLE_SECONDS have passed; if one of them cannot tell, because it died
as well, all begins empty. Can be, for a moment: too strict, by what other workers hold unused (a second's worth at
most), by the slots of a dead worker (SLOT_SECONDS), while settling (each worker then has its share), and by token
estimates until they are corrected. Three things come on top: a worker alone cut off from a control plane that others
still reach adds its share, which is deducted when it is back; when the control plane goes while one worker has more
than its share of concurrent calls under way, those run on beside the shares; and without a control plane each worker
may let one request in at once, also where the burst is smaller than their number.

One control process keeps the limits: several would each allow the whole. Pure: time is an argument. Next:
`allowance.py`, a worker's side.
"""

from billing.core.keys import Limits
from llm.core.limits import Bucket, request_capacity
from llm.core.uplink import Fleet, LeaseAsk, LeaseGrant, LeaseReturn, LeaseState

HOLD_SECONDS = 1.0
"""How long a worker may hold what it was granted, counted from its asking."""
RETURN_SECONDS = 1.0
"""How much later its return may arrive."""
SLOT_SECONDS = 10.0
"""After this a worker that has gone is dead, and its calls with it."""
SETTLE_SECONDS = 5.0
MAX_ACCOUNTS = 100_000
"""Callers known at once; beyond it those that have used nothing lately are forgotten, and if none has, no new one is
served from here (its workers' shares serve it)."""
SLOT_PARTS = 8
"""A worker gets at most this part of its share of slots ahead of need, and with them never more than its share."""


class Account:
    """One limited caller."""

    __slots__ = ("gone", "limits", "requests", "slots", "tokens")

    def __init__(self, limits: Limits, now: float) -> None:
        self.slots: dict[str, int] = {}
        """Concurrent calls leased, by worker."""
        self.gone: dict[str, tuple[int, float]] = {}
        """Those of workers that have gone, and until when they count."""
        self.limits = Limits()
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.limit(limits, now)

    def limit(self, limits: Limits, now: float) -> None:
        """Keep these limits from now on; newer settings may come with any question."""
        if limits == self.limits:
            return
        self.limits = limits
        per_minute, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self.requests = None if per_minute is None else _kept(self.requests, per_minute, request_capacity(limits), now)
        self.tokens = None if tokens is None else _kept(self.tokens, tokens, float(tokens), now)

    def slots_free(self, now: float) -> int:
        self.gone = {name: held for name, held in self.gone.items() if held[1] > now}
        taken = sum(self.slots.values()) + sum(count for count, _ in self.gone.values())
        return (self.limits.concurrent_requests or 0) - taken

    def idle(self, now: float) -> bool:
        full = all(
            bucket is None or (bucket.fill(now) >= bucket.capacity and not bucket.held)
            for bucket in (self.requests, self.tokens)
        )
        return full and not any(self.slots.values()) and not self.gone


class Keeper:
    """All accounts of one control process. Not thread-safe: one event loop calls it."""

    def __init__(self, epoch: str, now: float) -> None:
        self.epoch = epoch
        self.accounts: dict[str, Account] = {}
        self.workers: dict[str, object] = {}
        """Who is connected, and by which connection."""
        self._awaited: set[str] | None = None
        self._settle_by = now + SETTLE_SECONDS
        self._began = now
        self._blind = False
        """Somebody may have used something nobody can tell of: what is there then is only what has come in since."""

    def expect(self, names: set[str], now: float) -> None:
        """Wait for these before leasing anything: they may have been leased something by a predecessor."""
        if self._awaited is None:
            self._awaited = names
            self._settle_by = now + SETTLE_SECONDS

    def settled(self, now: float) -> bool:
        if self._awaited is None:
            return False
        if self._awaited and now >= self._settle_by:
            self._awaited = set()
            self._go_blind(now)
        return not self._awaited

    def fleet(self, now: float) -> Fleet:
        """What workers are told when one comes or goes."""
        return Fleet(self.epoch, max(1, len(self.workers)), self.settled(now))

    def join(self, worker: str, connection: object, state: LeaseState, now: float, fresh: bool = False) -> None:
        """A worker is connected (again) and says what it has used that this keeper does not know of.

        `fresh`: it has just begun, and cannot tell what another process of its name used.
        """
        self.workers[worker] = connection
        if self._awaited and worker in self._awaited:
            self._awaited.discard(worker)
            if fresh:
                self._go_blind(now)
        for account in self.accounts.values():
            account.slots.pop(worker, None)
            account.gone.pop(worker, None)
        for used in state.used:
            found = self._account(used.subject, used.limits, now)
            if found is None:
                continue
            if found.requests is not None:
                found.requests.correct(-used.requests, now)
            if found.tokens is not None:
                found.tokens.correct(-used.tokens, now)
            if used.slots:
                found.slots[worker] = used.slots

    def leave(self, worker: str, connection: object, now: float) -> bool:
        """A connection has ended; False when the worker has another one by now."""
        if self.workers.get(worker) is not connection:
            return False
        del self.workers[worker]
        for account in self.accounts.values():
            count = account.slots.pop(worker, 0)
            if count:
                account.gone[worker] = (count, now + SLOT_SECONDS)
        return True

    def ask(self, worker: str, ask: LeaseAsk, now: float) -> LeaseGrant:
        """Grant all that is needed, and some ahead of need; or nothing, saying what is lacking and for how long."""
        account = self._account(ask.subject, ask.limits, now) if self.settled(now) else None
        if account is None:
            return LeaseGrant(ask.number, False, lacking="keeper")
        lacking, wait = _lacking(account, ask, now)
        if lacking:
            return self._answer(account, ask.number, now, lacking=lacking, wait=wait)
        workers, hold = max(1, len(self.workers)), HOLD_SECONDS + RETURN_SECONDS
        requests = tokens = 0.0
        if account.requests is not None:
            requests = account.requests.take(ask.requests, ahead(account.requests, workers, ask), now, hold)
        if account.tokens is not None:
            tokens = account.tokens.take(ask.tokens, ahead(account.tokens, workers, ask), now, hold)
        slots = 0
        limit = account.limits.concurrent_requests
        if limit is not None:
            held = account.slots.get(worker, 0)
            more = max(0, min(limit // (SLOT_PARTS * workers), limit // workers - held - ask.slots))
            more = more if ask.slots and ask.ahead else 0
            slots = min(account.slots_free(now), ask.slots + more)
            account.slots[worker] = held + slots
        return self._answer(
            account, ask.number, now, granted=True, requests=int(requests), tokens=int(tokens), slots=slots
        )

    def give_back(self, worker: str, returned: LeaseReturn, now: float) -> None:
        """What a worker did not use, and how far its estimates were out."""
        account = self.accounts.get(returned.subject)
        if account is None:
            return
        if account.requests is not None:
            account.requests.give_back(returned.requests, now)
            account.requests.correct(-returned.overdrawn, now)
        if account.tokens is not None:
            account.tokens.give_back(returned.tokens, now)
            account.tokens.correct(returned.corrected, now)
        if returned.slots:
            account.slots[worker] = max(0, account.slots.get(worker, 0) - returned.slots)

    def _go_blind(self, now: float) -> None:
        self._blind = True
        for account in self.accounts.values():
            self._empty(account, now)

    def _empty(self, account: Account, now: float) -> None:
        """As if all had been used when this keeper began."""
        for bucket in (account.requests, account.tokens):
            if bucket is not None:
                bucket.level = min(bucket.fill(now), bucket.rate * (now - self._began))

    def _account(self, subject: str, limits: Limits, now: float) -> Account | None:
        account = self.accounts.get(subject)
        if account is None:
            if len(self.accounts) >= MAX_ACCOUNTS:
                self.accounts = {name: one for name, one in self.accounts.items() if not one.idle(now)}
                if len(self.accounts) >= MAX_ACCOUNTS:
                    return None
            account = self.accounts[subject] = Account(limits, now)
            if self._blind:
                self._empty(account, now)
        else:
            account.limit(limits, now)
        return account

    def _answer(self, account: Account, number: int, now: float, granted: bool = False, **fields: object) -> LeaseGrant:
        requests, tokens = account.requests, account.tokens
        return LeaseGrant(
            number,
            granted,
            left_requests=0.0 if requests is None else requests.fill(now),
            left_tokens=0.0 if tokens is None else tokens.fill(now),
            **fields,  # type: ignore[arg-type]
        )


def ahead(bucket: Bucket, workers: int, ask: LeaseAsk) -> float:
    """How much one worker gets besides what it needs: what it would use until the lease ends, were all equally busy."""
    return float(int(bucket.rate * HOLD_SECONDS / workers)) if ask.ahead else 0.0


def _lacking(account: Account, ask: LeaseAsk, now: float) -> tuple[str, float]:
    """What there is not enough of, and the seconds until there may be; "" when all is there."""
    for name, bucket, need in (("requests", account.requests, ask.requests), ("tokens", account.tokens, ask.tokens)):
        if bucket is not None and need > 0 and bucket.fill(now) + 1e-9 < need:
            return name, min(bucket.wait(need, now), 1e9)
    if account.limits.concurrent_requests is not None and account.slots_free(now) < ask.slots:
        return "slots", 0.0
    return "", 0.0


def _kept(bucket: Bucket | None, per_minute: float, capacity: float, now: float) -> Bucket:
    if bucket is None:
        return Bucket(per_minute, capacity, now)
    bucket.change(per_minute, capacity, now)
    return bucket
