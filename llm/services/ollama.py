"""Local models: asks a running Ollama what it has, and keeps a row for each.

The probe is short and bounded (time, size, count), so a start without Ollama costs half a second at most. A model that
is no longer listed, or whose server no longer answers, keeps its row and its edits but is not offered. Local models are
free of charge. The address is the provider's own (`OLLAMA_BASE_URL` through `environment.py`).
"""

import logging
import re
from typing import Any

import httpx
import msgspec

from llm.core.configuration import BadInput, check_model_id
from llm.models import Model, Provider, Source
from llm.services.catalogue import update_unedited
from llm.services.configuration import writing

PROBE_SECONDS = 0.5
MOST_BYTES = 2_000_000
MOST_MODELS = 500
CONTEXT_WINDOW = 4096
"""Ollama's own default when a request sets no `num_ctx`; it cuts longer prompts silently."""
RANK = 200
EMBEDDING = re.compile(r"embed|minilm|^bge-|^paraphrase-")
"""Names of models that embed: the list does not say what a model is for, and its library names them so."""

logger = logging.getLogger(__name__)


class _Tag(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Tag]


def discover_ollama(timeout: float = PROBE_SECONDS) -> list[str]:
    """Ask `/api/tags` of every enabled Ollama provider; return the ids of the models found. No call within the
    transaction. A server that does not answer, or answers something else, counts as having no models."""
    found: list[str] = []
    for provider in Provider.objects.filter(provider_type="ollama", enabled=True):
        ids = _list_models(provider.base_url, timeout)
        with writing() as change:
            change.made = _keep(provider, ids)
        found += ids
    return found


def _list_models(base_url: str, timeout: float) -> list[str]:
    url = base_url.removesuffix("/v1") + "/api/tags"
    try:
        with (
            httpx.Client(timeout=timeout, trust_env=False) as client,
            client.stream("GET", url) as reply,
        ):
            reply.raise_for_status()
            body = bytearray()
            for piece in reply.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise ValueError(f"more than {MOST_BYTES} bytes")
        names = [tag.name for tag in msgspec.json.decode(bytes(body), type=_Tags).models]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:
        logger.info("no Ollama at %s: %s", url, type(failure).__name__)
        return []
    return [name for name in dict.fromkeys(names[:MOST_MODELS]) if _acceptable(name)]


def _acceptable(name: str) -> bool:
    try:
        check_model_id(name)
    except BadInput:
        logger.warning("Ollama lists a model whose name cannot be used; skipped")
        return False
    return True


def _keep(provider: Provider, ids: list[str]) -> bool:
    changed = False
    for name in ids:
        wanted: dict[str, Any] = {"available": True}
        model, made = Model.objects.get_or_create(
            provider=provider, model_id=name, defaults={**_defaults(name), "source": Source.DISCOVERED}
        )
        changed |= made or update_unedited(model, wanted)
    gone = provider.models.filter(source=Source.DISCOVERED, available=True).exclude(model_id__in=ids)
    return bool(gone.update(available=False)) or changed


def _defaults(name: str) -> dict[str, Any]:
    plain = name.removesuffix(":latest")
    return {
        "name": plain,
        "upstream": name,
        "aliases": [] if plain == name else [plain],
        "context_window": CONTEXT_WINDOW,
        "capabilities": ["embeddings" if EMBEDDING.search(name) else "text_generation"],
        "input_price": 0,
        "output_price": 0,
        "rank": RANK,
    }
