"""From a model name to the deployments that may answer, best first. Pure: built once per snapshot, read per request.

Names: catalogue ids, aliases, dated forms of either (`model_names.py`), `provider/model` in OpenRouter's form, and the
virtual names below. What cannot do the operation is no candidate. Until routing by cost, speed and task arrives,
virtual names take the lowest `Model.rank`, except that `cost_optimized` orders by price. The `circuit_breaker` options
that are filters or orders are applied in `choose`. Next file: `model_names.py`.
"""

from collections.abc import Callable, Sequence

import msgspec

from billing.core.pricing import NANO, Price
from llm.core.deployment import Deployment
from llm.core.dialects.registry import DIALECTS
from llm.core.errors import InvalidRequest, ModelNotFound, Unavailable
from llm.core.model_names import named, undated
from llm.core.operations import OPERATIONS, Operation, Request
from llm.core.options import Options, refuse_unkept
from llm.core.snapshot import Provider, Snapshot

VIRTUAL = {
    "auto": "balanced",
    "cb:smart-chat": "balanced",
    "cb:cost-optimal": "cost_optimized",
    "cb:fastest": "performance_first",
    "cb:coding": "task_specific",
    "cb:analysis": "task_specific",
    "cb:creative": "task_specific",
}
"""Virtual model names and the strategy each stands for."""

LAST_RESORT = 1_000_000
"""A model of this rank or more (the sandbox's own) is chosen only when there is nothing else."""


class Catalogue:
    """A snapshot with its names looked up in advance."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.version = snapshot.version
        self.taken_at = snapshot.taken_at
        self.providers = {provider.name: provider for provider in snapshot.providers if usable(provider)}
        self.deployments = tuple(
            Deployment(model, self.providers[model.provider])
            for model in sorted(snapshot.models, key=lambda model: model.rank)
            if model.provider in self.providers
        )
        self.names = named(self.deployments)
        by_cost = sorted(self.deployments, key=_cost_order)
        for name, strategy in VIRTUAL.items():
            self.names[name] = tuple(by_cost) if strategy == "cost_optimized" else self.deployments
        self.able = {one.name: _able(one, self.names) for one in OPERATIONS.values()}
        """By operation and name, who can do it."""

    def find(self, name: str) -> tuple[Deployment, ...]:
        """What answers to `name`, best first; empty when nobody does.

        The sandbox reads directives behind a question mark (`sandbox?status=503`): they go on to it with the name.
        """
        found = self.names.get(name)
        if found is not None:
            return found
        base, _, directives = name.partition("?")
        if not directives:
            return self.names.get(undated(name), ())
        return tuple(
            Deployment(msgspec.structs.replace(one.model, upstream=f"{one.model.upstream}?{directives}"), one.provider)
            for one in self.names.get(base, ())
            if one.provider.provider_type == "sandbox"
        )


def usable(provider: Provider) -> bool:
    """Whether a call could be sent at all."""
    return bool(provider.keys) or provider.auth == "none"


def can(operation: Operation, one: Deployment) -> bool:
    """Whether a deployment can do an operation, as far as its wire and its model's capabilities say."""
    if operation.name not in DIALECTS[one.provider.dialect].crossings:
        return False
    return one.says_embeds or not one.says_generates if operation.embeds else one.says_generates or not one.says_embeds


def choose(operation: Operation, request: Request, catalogue: Catalogue) -> Sequence[Deployment]:
    """The deployments to try, in order; never empty.

    Raises ModelNotFound, InvalidRequest for a constraint nothing can meet, Unavailable when no provider is configured.
    """
    candidates: Sequence[Deployment] | None = catalogue.able[operation.name].get(request.model)
    if not candidates:
        candidates = _look_further(operation, request, catalogue)
    if request.stream:
        candidates = [one for one in candidates if one.model.supports_streaming]
        if not candidates:
            raise InvalidRequest(f"The model `{request.model}` cannot stream.", "stream")
    if isinstance(request.circuit_breaker, Options):
        return _apply(operation, request, request.circuit_breaker, candidates, catalogue)
    return candidates


def _able(operation: Operation, names: dict[str, tuple[Deployment, ...]]) -> dict[str, tuple[Deployment, ...]]:
    return {
        name: found if all(can(operation, one) for one in found) else tuple(one for one in found if can(operation, one))
        for name, found in names.items()
    }


def _look_further(operation: Operation, request: Request, catalogue: Catalogue) -> Sequence[Deployment]:
    """For a name that is none of the catalogue's own, or that nobody who can do the operation answers to."""
    found = catalogue.find(request.model)
    candidates = [one for one in found if can(operation, one)]
    if candidates:
        return candidates
    if found:
        raise InvalidRequest(
            f"The model `{request.model}` cannot do {operation.name}: it is for {_purpose(operation)}. "
            "See `capabilities` in GET /v1/models.",
            "model",
            "operation_not_supported",
        )
    if request.model in VIRTUAL:
        raise Unavailable("No provider with a usable key is configured; add one in the admin.", 10)
    raise ModelNotFound(request.model)


def _purpose(operation: Operation) -> str:
    return "generating text" if operation.embeds else "something else, such as embeddings"


def _apply(
    operation: Operation,
    request: Request,
    options: Options,
    candidates: Sequence[Deployment],
    catalogue: Catalogue,
) -> Sequence[Deployment]:
    refuse_unkept(options)
    chosen = list(candidates)
    if request.model in VIRTUAL:
        chosen = _in_order(chosen, options)
    for name in options.fallback_models or ():
        chosen += [one for one in catalogue.find(name) if one not in chosen and can(operation, one)]
    if options.require_streaming or request.stream:
        chosen = [one for one in chosen if one.model.supports_streaming]
        if not chosen:
            raise InvalidRequest("No candidate can stream.", "circuit_breaker.require_streaming")
    if options.max_cost_per_1k_tokens is not None:
        limit = options.max_cost_per_1k_tokens
        nano_per_million = round(min(limit, 1_000_000) * NANO * 1000)
        chosen = [one for one in chosen if _dearest_token(one.model.price) <= nano_per_million]
        if not chosen:
            raise InvalidRequest(
                f"No candidate for `{request.model}` costs at most {limit} USD per 1,000 tokens, in and out.",
                "circuit_breaker.max_cost_per_1k_tokens",
            )
    return chosen


def _in_order(candidates: list[Deployment], options: Options) -> list[Deployment]:
    """Preferences, the weightiest applied last; each sort keeps the order within equals."""
    if options.routing_strategy == "cost_optimized":
        candidates = sorted(candidates, key=_cost_order)
    elif options.routing_strategy is not None:
        candidates = sorted(candidates, key=lambda one: one.model.rank)
    if options.prefer_large_context:
        candidates = sorted(candidates, key=lambda one: (one.model.rank >= LAST_RESORT, -one.model.context_window))
    if options.preferred_providers:
        candidates = _preferred(candidates, options.preferred_providers, lambda one: (one.provider.name,))
    if options.prefer_models:
        candidates = _preferred(candidates, options.prefer_models, _own_names)
    return candidates


def _preferred(
    candidates: list[Deployment], wanted: list[str], names_of: Callable[[Deployment], tuple[str, ...]]
) -> list[Deployment]:
    places = {name: place for place, name in reversed(list(enumerate(wanted)))}
    return sorted(candidates, key=lambda one: min(places.get(name, len(wanted)) for name in names_of(one)))


def _own_names(one: Deployment) -> tuple[str, ...]:
    return (one.model.id, f"{one.provider.name}/{one.model.id}", *one.model.aliases)


def _cost_order(one: Deployment) -> tuple[bool, bool, int, int]:
    price = one.model.price
    total = price.input + price.output if price else 0
    return (one.model.rank >= LAST_RESORT, price is None, total, one.model.rank)


def _dearest_token(price: Price | None) -> float:
    """Nano-dollars per million; a model without a price fits under no limit."""
    return float("inf") if price is None else max(price.input, price.output)
