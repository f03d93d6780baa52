"""One model at one provider, with what every call needs prepared as bytes. Made once per snapshot by `routing.py`."""

from collections.abc import Sequence

import msgspec

from llm.core.snapshot import Model, Provider

EMBEDDING = frozenset({"embeddings", "embedding"})
GENERATING = frozenset({"text_generation", "chat", "completion", "completions", "responses"})
"""Words of a model's capabilities that say what it is for. Other words, or none, say nothing."""


class Deployment:
    """See the header."""

    __slots__ = ("header_lines", "model", "model_json", "provider", "says_embeds", "says_generates")

    def __init__(self, model: Model, provider: Provider) -> None:
        self.model = model
        self.provider = provider
        self.model_json = msgspec.json.encode(model.upstream)
        self.header_lines = b"x-circuit-breaker-provider: %b\r\nx-circuit-breaker-model: %b\r\n" % (
            header_value(provider.name),
            header_value(model.id),
        )
        self.says_embeds = not EMBEDDING.isdisjoint(model.capabilities)
        self.says_generates = not GENERATING.isdisjoint(model.capabilities)


def header_value(text: str) -> bytes:
    """Text as it may stand in a header: printable ASCII, anything else as `?`."""
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode("ascii")


def permitted(deployments: Sequence[Deployment], allowed: tuple[str, ...]) -> Sequence[Deployment]:
    """Those a key may use that is allowed these models only, as `model` or `provider/model`; () allows all."""
    if not allowed:
        return deployments
    return [one for one in deployments if one.model.id in allowed or f"{one.provider.name}/{one.model.id}" in allowed]
