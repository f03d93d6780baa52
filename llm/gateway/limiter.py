"""A worker's side of limits: it admits calls from what it was leased, in memory, and asks ahead of need.

Promises and their price stand in `llm/core/leases.py`. A call whose caller has no limits never comes here. A limited
one is admitted at once while the lease lasts; else it waits for one answer of the control plane. A refusal is
remembered for as long as it says, so that a client that hammers costs no question each. Without a control plane, or
when it is silent for ANSWER_SECONDS, each worker keeps its own share: 1/N of the rate, beginning from nothing, and of
the slots; N is the last known number of workers. Not thread-safe, one loop. Next: `llm/core/allowance.py`.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import msgspec

from billing.core.keys import Limits
from llm.core.allowance import Allowance
from llm.core.errors import RateLimited, Unavailable
from llm.core.leases import SLOT_PARTS
from llm.core.uplink import Fleet, LeaseAsk, LeaseGrant, LeaseReturn, LeaseState

ANSWER_SECONDS = 1.0
SWEEP_SECONDS = 0.25
MAX_CALLERS = 10_000
"""Limited callers known to one worker; beyond it idle ones are forgotten, and if none is, new ones get 503."""
SLOT_WAIT = 1.0
"""What `Retry-After` says when too many calls of a key are under way: nobody knows how long they take."""

Answer = asyncio.Future[LeaseGrant | None]
"""None: none came."""
_encode = msgspec.json.Encoder().encode
_return = msgspec.json.Decoder(LeaseReturn)
RETURN = b'{"type":"lease_return"'


class Admitted:
    """What one call was let in with."""

    __slots__ = ("allowance", "slot", "tokens")

    def __init__(self, allowance: Allowance, tokens: int, slot: bool) -> None:
        self.allowance = allowance
        self.tokens = tokens
        self.slot = slot


class Question:
    """Asked and not answered yet."""

    __slots__ = ("ask", "asked_at", "caller", "future", "waits")

    def __init__(self, future: Answer, caller: Allowance, ask: LeaseAsk, asked_at: float, waits: bool) -> None:
        self.future = future
        self.caller = caller
        self.ask = ask
        self.asked_at = asked_at
        self.waits = waits
        """A call does, for just this."""


class Limiter:
    """See the header."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.send: Callable[[bytes], bool] = lambda frame: False
        """Gives a frame to the uplink; False: it cannot be sent now."""
        self.workers = 1
        self._epoch = ""
        self._leasing = False
        self._since = loop.time()
        """When leasing ended, or this worker began: shares fill from there."""
        self._callers: dict[str, Allowance] = {}
        self._questions: dict[int, Question] = {}
        self._asked: dict[str, Answer] = {}
        """By caller, the latest question of a call that waits."""
        self._number = 0
        self._sweeper: asyncio.TimerHandle | None = None

    def admit_at_once(self, subject: str, limits: Limits, tokens: int) -> Admitted | None:
        """The usual case: let one call in from what is leased already. None: `admit` decides."""
        caller = self._callers.get(subject)
        if caller is None or caller.limits is not limits or not self._leasing:
            return None
        if limits.tokens_per_minute is None:
            tokens = 0
        if not caller.take(tokens, self.workers, self.loop.time()):
            return None
        if not caller.asking and caller.wants_more():
            self._ask_ahead(caller)
        return Admitted(caller, tokens, caller.of_slots)

    async def admit(self, subject: str, limits: Limits, tokens: int) -> Admitted:
        """Let one call in, or raise RateLimited. May wait for one answer of the control plane."""
        now = self.loop.time()
        caller = self._caller(subject, limits, now)
        tokens = tokens if limits.tokens_per_minute is not None else 0
        slot = limits.concurrent_requests is not None
        if tokens > (limits.tokens_per_minute or tokens):
            raise self._refusal(caller, "tokens", math.inf, tokens, now)
        if self._leasing:
            if caller.take(tokens, self.workers, now):
                return Admitted(caller, tokens, slot)
            if await self._lease(caller, tokens, slot):
                return Admitted(caller, tokens, slot)
            now = self.loop.time()
        lacking, wait = caller.take_share(tokens, self.workers, self._since, now)
        if lacking:
            raise self._refusal(caller, lacking, wait, tokens, now)
        return Admitted(caller, tokens, slot)

    def release(self, admitted: Admitted, used: int) -> None:
        """The call has ended, `used` tokens were really used."""
        caller = admitted.allowance
        if admitted.slot:
            caller.busy -= 1
            if caller.alone_slots:
                caller.alone_slots -= 1
            elif self._leasing and (caller.limits.concurrent_requests or 0) < SLOT_PARTS * self.workers:
                self._give_back(caller, LeaseReturn(caller.subject, slots=1))
            elif self._leasing:
                caller.free += 1
        if caller.limits.tokens_per_minute is not None:
            caller.corrected += admitted.tokens - used
            caller.note(used - admitted.tokens, self.workers, self.loop.time())

    def header_lines(self, admitted: Admitted) -> bytes:
        """OpenAI's `x-ratelimit-*` headers."""
        return admitted.allowance.header_lines(self.loop.time())

    # --- what the uplink hears ----------------------------------------------------------------------------------------
    def hear_fleet(self, fleet: Fleet) -> None:
        """Who is there. The first one on a connection is answered with what was used."""
        self.workers = max(1, fleet.workers)
        if not self._leasing or fleet.epoch != self._epoch:
            self._tell(fleet.epoch)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def hear_grant(self, grant: LeaseGrant) -> None:
        now = self.loop.time()
        question = self._questions.pop(grant.number, None)
        if question is None:  # too late: it stays spent; but the control plane speaks again
            if not self._leasing:
                self._tell(self._epoch)
            return
        caller = question.caller
        if grant.lacking != "keeper":
            if caller.share is not None:
                self._give_back(caller, caller.confess())
            caller.hear(grant, question.ask, question.asked_at, now)
        if not question.future.done():
            if grant.granted and question.waits:  # at once: what is told to a keeper meanwhile has this call in it
                caller.use(question.ask.tokens, self.workers, now)
                caller.busy += question.ask.slots
            question.future.set_result(grant)
        elif grant.granted:  # who asked has gone
            caller.free += question.ask.slots

    def lost(self, unsent: Sequence[bytes] = ()) -> None:
        """The uplink is down, or silent. `unsent`: frames of ours that have not left; what they give back is owed."""
        for frame in unsent:
            if frame.startswith(RETURN):
                returned = _return.decode(frame)
                caller = self._callers.get(returned.subject)
                if caller is not None:
                    caller.owe_again(returned)
        if self._leasing:
            self._leasing = False
            self._since = self.loop.time()
        for caller in self._callers.values():
            caller.go_alone(self._since)
        questions, self._questions = self._questions, {}
        for question in questions.values():
            if not question.future.done():
                question.future.set_result(None)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()

    # --- private ------------------------------------------------------------------------------------------------------
    def _tell(self, epoch: str) -> None:
        now = self.loop.time()
        again = epoch == self._epoch
        used = tuple(caller.report(again, self.workers, now) for caller in self._callers.values() if caller.active(now))
        if self._send(LeaseState(used)):
            self._epoch = epoch
            self._leasing = True
            for caller in self._callers.values():
                caller.share = None

    def _caller(self, subject: str, limits: Limits, now: float) -> Allowance:
        caller = self._callers.get(subject)
        if caller is not None:
            if caller.limits is not limits:
                caller.limit(limits)
            return caller
        if len(self._callers) >= MAX_CALLERS:
            self._callers = {name: one for name, one in self._callers.items() if one.active(now)}
            if len(self._callers) >= MAX_CALLERS:
                raise Unavailable("Too many limited callers at once; try again shortly.", 1, "overloaded")
        caller = self._callers[subject] = Allowance(subject, limits, now)
        return caller

    def _question(self, caller: Allowance, requests: int, tokens: int, slots: int, waits: bool = True) -> Answer:
        self._number += 1
        future: Answer = self.loop.create_future()
        ahead = not waits or not (caller.asking or caller.subject in self._asked)
        ask = LeaseAsk(self._number, caller.subject, caller.limits, requests, tokens, slots, ahead)
        if self._send(ask):
            self._questions[self._number] = Question(future, caller, ask, self.loop.time(), waits)
        else:
            future.set_result(None)
        return future

    async def _lease(self, caller: Allowance, tokens: int, slot: bool) -> bool:
        """Get what one call needs from the keeper; False when none leases. Raises RateLimited."""
        others = self._asked.get(caller.subject)
        self._refuse_as_told(caller, tokens)
        if others is not None:  # what another call's answer brings ahead of need may do for this one too
            await others
            if self._leasing and caller.take(tokens, self.workers, self.loop.time()):
                return True
            self._refuse_as_told(caller, tokens)
        grant = await self._ask(caller, tokens, slot)
        if grant is not None and grant.lacking == "slots" and caller.free:
            grant = await self._ask(caller, tokens, slot)  # others' answers brought the slots: with one of those
        now = self.loop.time()
        if grant is None or grant.lacking == "keeper":
            return False
        if grant.granted:
            return True
        if self._leasing and caller.take(tokens, self.workers, now):  # others' answers brought all that there was
            return True
        caller.refuse(grant.lacking, grant.wait, tokens, now)
        raise self._refusal(caller, grant.lacking, grant.wait, tokens, now)

    def _refuse_as_told(self, caller: Allowance, tokens: int) -> None:
        now = self.loop.time()
        lacking, wait = caller.refused(tokens, now)
        if lacking:
            raise self._refusal(caller, lacking, wait, tokens, now)

    async def _ask(self, caller: Allowance, tokens: int, slot: bool) -> LeaseGrant | None:
        """One question. A slot that lies here is the call's while it waits, so that it needs none of the keeper."""
        ended = caller.unused(self.loop.time(), slots=False)
        if ended is not None:  # no sweep has come since the lease ended: it must not live on in the next one
            self._give_back(caller, ended)
        requests = 1 if caller.limits.requests_per_minute is not None else 0
        held = int(slot and caller.free > 0)
        caller.free -= held
        caller.busy += held
        future = self._question(caller, requests, tokens, int(slot) - held)
        self._asked[caller.subject] = future
        timer = self.loop.call_later(ANSWER_SECONDS, self._give_up, future)
        grant = None
        try:
            grant = await future
        except asyncio.CancelledError:
            if slot and future.done() and not future.cancelled() and (late := future.result()) and late.granted:
                held = 1  # it was let in, and is no more
            raise
        finally:
            timer.cancel()
            if self._asked.get(caller.subject) is future:
                del self._asked[caller.subject]
            if held and not (grant and grant.granted):
                caller.busy -= 1
                caller.free += self._leasing
        return grant

    def _ask_ahead(self, caller: Allowance) -> None:
        caller.asking = True
        self._question(caller, 0, 0, 0, waits=False).add_done_callback(lambda _: setattr(caller, "asking", False))

    def _give_up(self, future: Answer) -> None:
        if not future.done():
            self.lost()

    def _send(self, message: LeaseAsk | LeaseReturn | LeaseState) -> bool:
        return self.send(_encode(message))

    def _give_back(self, caller: Allowance, returned: LeaseReturn | None) -> None:
        """What cannot be sent now goes with the next sweep."""
        if returned is not None and not self._send(returned):
            caller.owe_again(returned)

    def _sweep(self) -> None:
        """Give back what was not used in its time, and what was estimated too high."""
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        if self._leasing:
            now = self.loop.time()
            for caller in self._callers.values():
                self._give_back(caller, caller.unused(now))

    def _refusal(self, caller: Allowance, lacking: str, wait: float, tokens: int, now: float) -> RateLimited:
        limits, lines = caller.limits, caller.header_lines(now)
        if lacking == "slots":
            most = limits.concurrent_requests
            return RateLimited(f"Rate limit reached: {most} requests at a time.", "slots", SLOT_WAIT, lines)
        if lacking == "tokens" and wait >= 1e9:
            said = f"Request too large: it may take {tokens} tokens, the limit is {limits.tokens_per_minute} a minute."
            return RateLimited(said, "tokens", None, lines)
        most = limits.tokens_per_minute if lacking == "tokens" else limits.requests_per_minute
        said = f"Rate limit reached: {most} {lacking} a minute. Try again in {max(wait, 0.001):.3g}s."
        return RateLimited(said, lacking, float(math.ceil(wait)), lines)
