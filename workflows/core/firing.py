"""The enabling and the firing rule, for one named token.

A binding of transition t holds |β(p)| = W⁻(p,t) tokens of each input place, the named token among them. t is enabled
iff a binding exists and, for every place p: |M(p)| < I(p,t); R(p) + W⁺(t,p) ≤ K(p) with R(p) = 0 if t resets p, else
|M(p)| - W⁻(p,t); every read arc finds its tokens among the rest; every rule of the guard holds over the binding.
Bindings are tried oldest token first; the search stops at SEARCH_LIMIT and says so. Pure and deterministic: the same
marking, names and new ids give the same change, so a log replays. Next: `workflows/services.py`, which makes it last.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.core.guard import evaluate
from workflows.core.marking import Change, Marking, Token
from workflows.core.net import Arc, Net, Transition

SEARCH_LIMIT = 1_000

Reason = dict[str, Any]
"""Why a transition is not enabled: `kind`, `message`, and what the kind needs, all plain JSON."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The tokens a firing takes: `named` first chosen by the caller, `partners` found, `swept` by reset arcs."""

    transition: Transition
    named: Token
    partners: tuple[Token, ...]
    swept: tuple[Token, ...]

    @property
    def consumed(self) -> tuple[Token, ...]:
        return (self.named, *self.partners, *self.swept)


def find_binding(net: Net, transition: Transition, marking: Marking, token: Token) -> Binding | list[Reason]:
    """The first binding that holds `token`, or every reason why there is none."""
    alternatives = [arcs for arcs in transition.alternatives if any(arc.place == token.place for arc in arcs)]
    if not alternatives:
        return [_elsewhere(transition, token)]
    reasons: list[Reason] = []
    for arcs in alternatives:
        found = _bind(net, transition, arcs, marking, token)
        if isinstance(found, Binding):
            return found
        reasons.extend(reason for reason in found if reason not in reasons)
    return reasons


def fire(
    binding: Binding, data: Mapping[str, Any], metadata: Mapping[str, Any], seq: int, new_id: Callable[[], str]
) -> Change:
    """The change a firing makes.

    The named token goes along the first output arc under its own id, the next version; every further output token is
    new. Data is merged shallowly: partners' (oldest first), over that the named token's, over that what is handed in.
    """
    merged_data = {**_merged(binding, "data"), **data}
    merged_metadata = {**_merged(binding, "metadata"), **metadata}
    produced: list[Token] = []
    for arc in binding.transition.outputs:
        for _ in range(arc.weight):
            if not produced:
                carrier = binding.named
                produced.append(
                    Token(carrier.id, arc.place, merged_data, merged_metadata, version=carrier.version + 1, entered=seq)
                )
            else:
                produced.append(Token(new_id(), arc.place, merged_data, merged_metadata, entered=seq))
    return Change(binding.consumed, tuple(produced))


def amend(token: Token, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Change:
    """The change that merges fields into a token where it lies; it keeps its turn in the place."""
    merged = replace(
        token, data={**token.data, **data}, metadata={**token.metadata, **metadata}, version=token.version + 1
    )
    return Change((token,), (merged,))


def available(net: Net, marking: Marking, token: Token) -> list[Transition]:
    """The transitions that may be fired with this token now, in order of definition; never a step's outcomes."""
    return [
        transition
        for transition in net.leaving.get(token.place, ())
        if transition.kind != "outcome" and isinstance(find_binding(net, transition, marking, token), Binding)
    ]


def _bind(
    net: Net, transition: Transition, arcs: tuple[Arc, ...], marking: Marking, token: Token
) -> Binding | list[Reason]:
    reasons = [*_missing(arcs, marking), *_inhibited(transition, marking), *_full(net, transition, arcs, marking)]
    if reasons:
        return reasons
    refusal: list[Reason] = []
    for tried, taken in enumerate(_choices(arcs, marking, token)):
        if tried >= SEARCH_LIMIT:
            message = f"none of the first {SEARCH_LIMIT} combinations of partner tokens passed the guard"
            return [*refusal, {"kind": "search_limit", "message": message}]
        ids = {each.id for each in taken}
        missing_reads = _missing(transition.reads, marking, ids)
        failed = missing_reads or _guard_failures(transition, token, taken)
        if not failed:
            partners = tuple(each for each in taken if each.id != token.id)
            swept = tuple(each for place in transition.resets for each in marking.at(place) if each.id not in ids)
            return Binding(transition, token, partners, tuple({each.id: each for each in swept}.values()))
        refusal = refusal or failed
    return refusal


def _choices(arcs: tuple[Arc, ...], marking: Marking, token: Token) -> Iterator[tuple[Token, ...]]:
    """Every way to take the tokens of all input arcs, with `token` among them, oldest first."""
    per_arc: list[Iterator[tuple[Token, ...]]] = []
    for arc in arcs:
        here = marking.at(arc.place)
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


def _guard_failures(transition: Transition, token: Token, taken: tuple[Token, ...]) -> list[Reason]:
    if not transition.guard:
        return []
    bound = Binding(transition, token, tuple(each for each in taken if each.id != token.id), ())
    data, metadata = _merged(bound, "data"), _merged(bound, "metadata")
    failures: list[Reason] = []
    for index, rule in enumerate(transition.guard):
        verdict = evaluate(rule, data, metadata)
        if not verdict.passed:
            failures.append({"kind": "guard", "condition": index, "message": verdict.reason})
    return failures


def _merged(binding: Binding, part: str) -> dict[str, Any]:
    """One view of the binding's fields: the named token's win over its partners', older partners' over younger's."""
    view: dict[str, Any] = {}
    for token in reversed(binding.partners):
        view.update(getattr(token, part))
    view.update(getattr(binding.named, part))
    return view


def _elsewhere(transition: Transition, token: Token) -> Reason:
    needed = list(transition.source_places)
    return {
        "kind": "token_elsewhere",
        "message": f'the token is in "{token.place}" and must be in {_either(needed)}',
        "place": token.place,
        "needed": needed,
    }


def _missing(arcs: tuple[Arc, ...], marking: Marking, taken: set[str] | None = None) -> list[Reason]:
    reasons: list[Reason] = []
    for arc in arcs:
        present = sum(1 for token in marking.at(arc.place) if token.id not in (taken or ()))
        if present < arc.weight:
            message = f'"{arc.place}" has {present} of the {arc.weight} tokens needed'
            reasons.append({"kind": "missing_tokens", "message": message, "place": arc.place, "present": present})
    return reasons


def _inhibited(transition: Transition, marking: Marking) -> list[Reason]:
    reasons: list[Reason] = []
    for arc in transition.inhibitors:
        present = len(marking.at(arc.place))
        if present >= arc.weight:
            message = f'"{arc.place}" has {present} tokens and must have fewer than {arc.weight}'
            reasons.append({"kind": "inhibited", "message": message, "place": arc.place, "present": present})
    return reasons


def _full(net: Net, transition: Transition, arcs: tuple[Arc, ...], marking: Marking) -> list[Reason]:
    taken = {arc.place: arc.weight for arc in arcs}
    reasons: list[Reason] = []
    for arc in transition.outputs:
        capacity = net.places[arc.place].capacity
        if capacity is None:
            continue
        left = 0 if arc.place in transition.resets else len(marking.at(arc.place)) - taken.get(arc.place, 0)
        if left + arc.weight > capacity:
            message = f'"{arc.place}" would hold {left + arc.weight} tokens and has room for {capacity}'
            reasons.append({"kind": "full", "message": message, "place": arc.place, "capacity": capacity})
    return reasons


def _either(places: list[str]) -> str:
    quoted = [f'"{place}"' for place in places]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
