"""`GET /v1/models` and `/v1/models/{id}`: OpenAI's shape with the spec's extra fields, made once per snapshot.

A model id offered by several providers is listed once, as its best ranked deployment; aliases and `provider/model`
can be asked for singly. Virtual models show no price and no window of their own: they have none. A key that may use
some models only is shown those, and virtual ones, which then choose among them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from billing.core.pricing import LongPrompt, Price, per_token_usd
from llm.core.deployment import Deployment, permitted
from llm.core.routing import VIRTUAL, Catalogue

OWNER = "circuit-breaker"
MAX_BODIES = 1_000
"""Lists kept for keys that may use some models only; beyond it they are made anew."""


class ModelList:
    """The two answers, as bytes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._bodies: dict[tuple[str, ...], bytes] = {(): _body(catalogue.deployments)}

    def body(self, allowed: tuple[str, ...] = ()) -> bytes:
        """All models, or those a key may use that is `allowed` some only."""
        body = self._bodies.get(allowed)
        if body is None:
            if len(self._bodies) > MAX_BODIES:
                self._bodies = {(): self._bodies[()]}
            body = self._bodies[allowed] = _body(permitted(self._catalogue.deployments, allowed))
        return body

    def one(self, name: str, allowed: tuple[str, ...] = ()) -> bytes | None:
        """One model by any of its names, or None."""
        found = permitted(self._catalogue.find(name), allowed)
        if not found:
            return None
        return msgspec.json.encode(_virtual(name, VIRTUAL[name]) if name in VIRTUAL else _entry(name, found[0]))


def _body(deployments: Sequence[Deployment]) -> bytes:
    listed: dict[str, dict[str, Any]] = {}
    for deployment in deployments:
        listed.setdefault(deployment.model.id, _entry(deployment.model.id, deployment))
    if deployments:
        listed |= {name: _virtual(name, strategy) for name, strategy in VIRTUAL.items() if name not in listed}
    return msgspec.json.encode({"object": "list", "data": list(listed.values())})


def _entry(name: str, deployment: Deployment) -> dict[str, Any]:
    model = deployment.model
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": OWNER,
        "provider": deployment.provider.name,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "supports_streaming": model.supports_streaming and (deployment.says_generates or not deployment.says_embeds),
        **_costs(model.price),
        "capabilities": list(model.capabilities),
    }


def _costs(price: Price | None) -> dict[str, Any]:
    """Of a price that rises with the prompt the least, and each step beside it."""
    if price is None:
        return {"cost_per_input_token": None, "cost_per_output_token": None}
    shown: dict[str, Any] = _per_token(price)
    if price.long_prompts:
        shown["long_prompt_costs"] = [{"above": step.above, **_per_token(step)} for step in price.long_prompts]
    return shown


def _per_token(price: Price | LongPrompt) -> dict[str, float]:
    return {
        "cost_per_input_token": float(per_token_usd(price.input)),
        "cost_per_output_token": float(per_token_usd(price.output)),
    }


def _virtual(name: str, strategy: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": OWNER,
        "provider": OWNER,
        "context_window": None,
        "supports_streaming": True,
        **_costs(None),
        "capabilities": [],
        "routing_strategy": strategy,
    }
