"""Finds the tokens a transition would take: the enabling rule.

A binding of transition t holds |β(p)| = W⁻(p,t) tokens of each input place, the named token among them. t is enabled
iff a binding exists and, for every place p: |M(p)| < I(p,t); R(p) + W⁺(t,p) ≤ K(p) with R(p) = 0 if t resets p, else
|M(p)| - W⁻(p,t); every read arc finds its tokens among the rest; the tokens agree on the correlation; every rule of
the guard holds over the binding (of an else: no guarded rival's does); and its youngest token has lain there for
`after`, and no longer than `deadline`. Bindings are tried oldest token first, partners already narrowed down by the
correlation; the search stops at SEARCH_LIMIT and says so. Pure and deterministic. Next: `firing.py`.
"""

import itertools
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from workflows.core.expressions import Expression, ExpressionFailed, View, evaluate_expression
from workflows.core.guard import evaluate
from workflows.core.marking import Marking, Token
from workflows.core.net import Arc, Net, Transition
from workflows.core.partners import narrowed
from workflows.core.reasons import Reason, elsewhere, full, inhibited, missing, short_of

SEARCH_LIMIT = 1_000
SPONTANEOUS_LIMIT = 10_000
"""The same for a transition that nobody named a token for."""
CLOCK_GRAIN = 0.001
"""Seconds by which an interval counts as over: clocks are read in microseconds and kept as floats."""

_NO_KEY = "\x00none"


@dataclass(frozen=True, slots=True)
class Binding:
    """The tokens a firing takes: `named` first chosen by the caller, `partners` found, `swept` by reset arcs."""

    transition: Transition
    named: Token
    partners: tuple[Token, ...]
    swept: tuple[Token, ...]
    read: tuple[Token, ...] = ()

    @property
    def consumed(self) -> tuple[Token, ...]:
        return (self.named, *self.partners, *self.swept)

    @property
    def since(self) -> tuple[float, int]:
        """When it became complete: the arrival of the youngest token it takes or reads."""
        return max((token.arrived, token.entered) for token in (self.named, *self.partners, *self.read))

    @property
    def ready_at(self) -> float:
        """From when on it fires by itself, if its transition does."""
        return self.since[0] + self.transition.due

    def merged(self, part: str) -> dict[str, Any]:
        """One view of its fields: the named token's win over its partners', older partners' over younger's."""
        view: dict[str, Any] = {}
        for token in reversed(self.partners):
            view.update(getattr(token, part))
        view.update(getattr(self.named, part))
        return view

    def view(self) -> View:
        """What rules and expressions see of it."""
        tokens = [_shown(token) for token in (self.named, *self.partners)]
        return View(self.merged("data"), self.merged("metadata"), tokens, [_shown(token) for token in self.read])


def find_binding(
    net: Net,
    transition: Transition,
    marking: Marking,
    token: Token,
    now: float | None = None,
    partners: Collection[str] | None = None,
) -> Binding | list[Reason]:
    """The first binding that holds `token`, or every reason why there is none.

    `now` (POSIX seconds) is what the firing interval is held against; None leaves the interval out. `partners`: the
    ids of exactly the tokens to take beside the named one.
    """
    alternatives = [arcs for arcs in transition.alternatives if any(arc.place == token.place for arc in arcs)]
    if not alternatives:
        return [elsewhere(transition, token)]
    reasons: list[Reason] = []
    for arcs in alternatives:
        found = _bind(_Search(net, transition, marking, now, partners=partners), arcs, token)
        if isinstance(found, Binding):
            return found
        reasons.extend(reason for reason in found if reason not in reasons)
    return reasons


def find_any(net: Net, transition: Transition, marking: Marking, now: float | None = None) -> Binding | None:
    """The first of `bindings`."""
    return next(bindings(net, transition, marking, now), None)


def bindings(net: Net, transition: Transition, marking: Marking, now: float | None = None) -> Iterator[Binding]:
    """For each token that could be named, its first binding: alternatives in order, tokens of their first place oldest
    first. At most SPONTANEOUS_LIMIT combinations are looked at."""
    search: _Search | None = None
    for arcs in transition.alternatives:
        if not _marked(arcs, marking) or inhibited(transition, marking) or full(net, transition, arcs, marking):
            continue
        search = search or _Search(net, transition, marking, now, limit=SPONTANEOUS_LIMIT)
        for token in marking.at(arcs[0].place):
            if search.tried >= search.limit:
                return
            found = _bind(search, arcs, token)
            if isinstance(found, Binding):
                yield found


@dataclass(slots=True)
class _Search:
    """One search: what stays the same through it, how much it has looked at, and the keys it knows already."""

    net: Net
    transition: Transition
    marking: Marking
    now: float | None
    limit: int = SEARCH_LIMIT
    partners: Collection[str] | None = None
    tried: int = 0
    keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def key(self, expression: Expression, token: Token) -> str:
        """The token's correlation as JSON, or _NO_KEY."""
        known = self.keys.get((expression.source, token.id))
        if known is None:
            try:
                found = evaluate_expression(expression, View(token.data, token.metadata))
                known = json.dumps(found, sort_keys=True)
            except ExpressionFailed:
                known = _NO_KEY
            self.keys[expression.source, token.id] = known
        return known


def _bind(search: _Search, arcs: tuple[Arc, ...], token: Token) -> Binding | list[Reason]:
    net, transition, marking = search.net, search.transition, search.marking
    reasons = [*missing(arcs, marking), *inhibited(transition, marking), *full(net, transition, arcs, marking)]
    if reasons:
        return reasons
    key, candidates = _correlated(search, arcs, token)
    if search.partners is not None and not isinstance(candidates, dict):
        candidates = narrowed(arcs, candidates, token, search.partners)
    if isinstance(candidates, dict):
        return [candidates]
    refusal: list[Reason] = []
    for taken in _choices(arcs, candidates, token):
        if search.tried >= search.limit:
            message = f"none of the first {search.limit} combinations of partner tokens passed the guard"
            return [*refusal, {"kind": "search_limit", "message": message}]
        search.tried += 1
        found = _complete(search, arcs, taken, token, key)
        failed = found if isinstance(found, list) else _untimely(found, search.now)
        if isinstance(found, Binding) and not failed:
            return found
        refusal = refusal or failed
    return refusal


def _complete(
    search: _Search, arcs: tuple[Arc, ...], taken: tuple[Token, ...], token: Token, key: str | None
) -> Binding | list[Reason]:
    """The binding of these tokens, with what it reads and sweeps, if its guard holds."""
    transition, marking = search.transition, search.marking
    ids = {each.id for each in taken}
    read: list[Token] = []
    for arc in transition.reads:
        fitting = [each for each in marking.at(arc.place) if each.id not in ids]
        expression = transition.correlation.of(arc.place) if transition.correlation else None
        if expression is not None:
            fitting = [each for each in fitting if search.key(expression, each) == key]
        if len(fitting) < arc.weight:
            return [short_of(arc, len(fitting))]
        read.extend(fitting[: arc.weight])
    partners = tuple(each for each in taken if each.id != token.id)
    swept = tuple(each for place in transition.resets for each in marking.at(place) if each.id not in ids)
    unique = tuple({each.id: each for each in swept}.values())
    binding = Binding(transition, token, partners, unique, tuple(read))
    return _guard_failures(search.net, binding, arcs) or binding


def _correlated(
    search: _Search, arcs: tuple[Arc, ...], token: Token
) -> tuple[str | None, list[tuple[Token, ...]] | Reason]:
    """The named token's key, and for each arc the tokens with the same one; a reason where there are too few."""
    correlation, marking = search.transition.correlation, search.marking
    if correlation is None:
        return None, [marking.at(arc.place) for arc in arcs]
    everywhere = correlation.of("")
    by_place = {arc.place: everywhere or correlation.of(arc.place) for arc in arcs}
    own = by_place[token.place]
    assert own is not None
    key = search.key(own, token)
    candidates: list[tuple[Token, ...]] = []
    for arc in arcs:
        expression = by_place[arc.place]
        assert expression is not None
        here = () if key == _NO_KEY else marking.at(arc.place)
        fitting = tuple(each for each in here if search.key(expression, each) == key)
        if len(fitting) < arc.weight:
            said = f"{own.source} has no value" if key == _NO_KEY else f"{expression.source} = {key[:60]}"
            message = f'"{arc.place}" has {len(fitting)} of the {arc.weight} tokens needed where {said}'
            return key, {"kind": "correlation", "message": message, "place": arc.place, "present": len(fitting)}
        candidates.append(fitting)
    return key, candidates


def _choices(arcs: tuple[Arc, ...], candidates: list[tuple[Token, ...]], token: Token) -> Iterator[tuple[Token, ...]]:
    """Every way to take the tokens of all input arcs, with `token` among them, oldest first."""
    per_arc: list[Iterator[tuple[Token, ...]]] = []
    for arc, here in zip(arcs, candidates, strict=True):
        if arc.place == token.place:
            others = tuple(each for each in here if each.id != token.id)
            per_arc.append((token, *rest) for rest in itertools.combinations(others, arc.weight - 1))
        else:
            per_arc.append(itertools.combinations(here, arc.weight))
    if len(per_arc) == 1:
        return per_arc[0]
    # product() stores its arguments whole, so each is cut to what the search could look at anyway.
    cut = [itertools.islice(choices, SEARCH_LIMIT + 1) for choices in per_arc]
    return (tuple(itertools.chain.from_iterable(choice)) for choice in itertools.product(*cut))


def _guard_failures(net: Net, binding: Binding, arcs: tuple[Arc, ...]) -> list[Reason]:
    transition = binding.transition
    rivals = net.rivals(transition, arcs) if transition.otherwise else ()
    if not transition.guard and not rivals:
        return []
    view = binding.view()
    failures: list[Reason] = []
    for index, rule in enumerate(transition.guard):
        verdict = evaluate(rule, view.data, view.metadata, view)
        if not verdict.passed:
            failures.append({"kind": "guard", "condition": index, "message": verdict.reason})
    for rival in rivals:
        if all(evaluate(rule, view.data, view.metadata, view).passed for rule in rival.guard):
            message = f'it is the else of "{rival.id}", whose conditions hold'
            failures.append({"kind": "else", "transition": rival.id, "message": message})
    return failures


def _untimely(binding: Binding, now: float | None) -> list[Reason]:
    transition = binding.transition
    if now is None or (not transition.after and transition.deadline is None):
        return []
    elapsed = now - binding.since[0]
    if elapsed + CLOCK_GRAIN < transition.after:
        message = f"its tokens have been there for {elapsed:.3f} s and must be for {transition.after:g} s"
        return [{"kind": "not_yet", "message": message, "readyAt": binding.since[0] + transition.after}]
    deadline = None if transition.kind == "timer" else transition.deadline
    if deadline is not None and elapsed > deadline + CLOCK_GRAIN:
        message = f"its tokens have been there for {elapsed:.3f} s and may be for {deadline:g} s at most"
        return [{"kind": "too_late", "message": message}]
    return []


def _shown(token: Token) -> dict[str, Any]:
    return {"id": token.id, "place": token.place, "data": dict(token.data), "metadata": dict(token.metadata)}


def _marked(arcs: tuple[Arc, ...], marking: Marking) -> bool:
    """Whether nothing is missing, said without a reason: most transitions looked at are not enabled."""
    for arc in arcs:  # noqa: SIM110 - a generator costs more than the question
        if len(marking.at(arc.place)) < arc.weight:
            return False
    return True
