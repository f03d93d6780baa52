"""How each kind of provider is asked for its list of models, and how the list is read. Pure.

Asking costs nothing at any of them, so the same request is the health probe. OpenAI's wire: `/models`; Anthropic
`/v1/models`; Gemini `/v1beta/models`; Ollama `/api/tags`; Azure the data plane's `/models`: base models, not
deployments. Sources: platform.openai.com/docs/api-reference/models, docs.anthropic.com/en/api/models-list,
ai.google.dev/api/models, docs.ollama.com/api/tags, learn.microsoft.com/rest/api/azureopenai/models. Next file:
`llm/services/asking.py`, which asks.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from llm.core.azure_version import query_of
from llm.core.configuration import BadInput, check_model_id

MOST_MODELS = 2_000
"""Of one provider; what is listed beyond them is left out."""
OLLAMA_WINDOW = 4096
"""Ollama's own default when a request sets no `num_ctx`; it cuts longer prompts silently."""
EMBEDDING = re.compile(r"embed|minilm|(^|/)bge-|^paraphrase-|(^|/)gte-|(^|/)e5-", re.IGNORECASE)
"""Names of models that embed, where the list does not say what a model is for."""
NO_TEXT = re.compile(
    r"whisper|tts|dall-e|image|moderation|realtime|transcribe|audio|sora|veo|imagen|rerank|guard|ocr|voice|speech"
    r"|orpheus|computer-use|robotics|live-|-live|aqa|flux|stable-diffusion|babbage|davinci",
    re.IGNORECASE,
)
"""Names of models that take or give something else than text and images on the paths we have."""


class ListRequest(msgspec.Struct, frozen=True):
    """What to GET. Its repr hides the headers, which hold the key."""

    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"ListRequest({self.url!r})"


class ListedModel(msgspec.Struct, frozen=True):
    """One model as its provider lists it; what the list does not say is None or empty."""

    id: str
    title: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    """Empty: it is for something the gateway does not do."""
    function_calling: bool = False


class Listing(msgspec.Struct, frozen=True):
    """One page of a list."""

    models: tuple[ListedModel, ...]
    next_page: str = ""
    """To be given to `list_request` for the next page; empty at the end."""


def list_request(
    provider_type: str, base_url: str, auth: str, secret: str | None, page: str = "", api_version: str = ""
) -> ListRequest:
    """The request for one page of the list. A key goes as that endpoint wants it, whatever the provider's calls use."""
    root = base_url.rstrip("/")
    if provider_type == "ollama":
        return ListRequest(root.removesuffix("/v1").removesuffix("/api") + "/api/tags", _credentials(auth, secret))
    if provider_type == "google":
        more = f"&pageToken={quote(page, safe='')}" if page else ""
        sent = {"x-goog-api-key": secret} if secret else {}
        return ListRequest(root.removesuffix("/openai") + "/models?pageSize=1000" + more, sent)
    if provider_type == "anthropic":
        more = f"&after_id={quote(page, safe='')}" if page else ""
        sent = {"x-api-key": secret} if secret else {}
        return ListRequest(f"{root}/models?limit=1000{more}", {**sent, "anthropic-version": "2023-06-01"})
    if provider_type == "azure":
        return ListRequest(f"{root}/models{query_of(root, api_version)}", _credentials(auth, secret, "api-key"))
    return ListRequest(f"{root}/models", _credentials(auth, secret))


def read_listing(provider_type: str, body: bytes) -> Listing:
    """One page of models, those with usable names, each once. Raises ValueError for what is no such list."""
    document = msgspec.json.decode(body)
    if isinstance(document, list):  # Together's list has nothing around it
        document = {"data": document}
    name = "models" if provider_type in ("ollama", "google") else "data"
    if not isinstance(document, dict) or not isinstance(document.get(name), list):
        raise ValueError(f"no list of models: `{name}` is missing")
    rows = [row for row in document[name][:MOST_MODELS] if isinstance(row, dict)]
    read = {"ollama": _ollama, "google": _google}.get(provider_type, _openai)
    models = {model.id: model for model in map(read, rows) if _usable(model.id)}
    following = document.get("nextPageToken") if provider_type == "google" else ""
    if provider_type == "anthropic" and document.get("has_more") is True:
        following = document.get("last_id")
    return Listing(tuple(models.values()), following if isinstance(following, str) else "")


def capabilities_of(name: str, words: Iterable[str] = ()) -> tuple[str, ...]:
    """What a model is for, by its name: text, embeddings, or nothing we do."""
    if EMBEDDING.search(name):
        return ("embeddings",)
    if NO_TEXT.search(name):
        return ()
    return tuple(dict.fromkeys(("text_generation", *words)))


def _credentials(auth: str, secret: str | None, native: str = "bearer") -> dict[str, str]:
    if secret is None or auth == "none":
        return {}
    auth = native if auth == "native" else auth
    return {"authorization": f"Bearer {secret}"} if auth in ("bearer", "native") else {auth: secret}


def _usable(name: str) -> bool:
    try:
        return bool(check_model_id(name))
    except BadInput:
        return False


def _ollama(row: dict[str, Any]) -> ListedModel:
    name = _name(row.get("name"))
    embeds = bool(EMBEDDING.search(name))
    return ListedModel(
        name, name.removesuffix(":latest"), OLLAMA_WINDOW, None, ("embeddings" if embeds else "text_generation",)
    )


def _google(row: dict[str, Any]) -> ListedModel:
    name = _name(row.get("name")).removeprefix("models/")
    methods = row.get("supportedGenerationMethods")
    methods = methods if isinstance(methods, list) else []
    capabilities = capabilities_of(name, ("vision", "multimodal"))
    if "generateContent" not in methods:
        capabilities = ("embeddings",) if "embedContent" in methods else ()
    return ListedModel(
        name,
        _text(row.get("displayName")),
        _count(row.get("inputTokenLimit")),
        _count(row.get("outputTokenLimit")),
        capabilities,
        "text_generation" in capabilities and not name.startswith("gemma"),
    )


def _openai(row: dict[str, Any]) -> ListedModel:
    """OpenAI's entry, with what Anthropic, Groq, Mistral, OpenRouter, Together, vLLM and llama.cpp put beside it."""
    name = _name(row.get("id"))
    top, architecture, meta, abilities = (
        _object(row.get(key)) for key in ("top_provider", "architecture", "meta", "capabilities")
    )
    named = ("context_window", "context_length", "max_context_length", "max_model_len", "max_input_tokens")
    windows = (*(row.get(key) for key in named), meta.get("n_ctx_train"))
    longest = (row.get("max_completion_tokens"), row.get("max_tokens"), top.get("max_completion_tokens"))
    seeing = "image" in _words(architecture.get("input_modalities")) or abilities.get("vision") is True
    capabilities = capabilities_of(name, ("vision", "multimodal") if seeing else ())
    if row.get("type") in ("image", "audio", "video", "moderation", "rerank", "transcribe") or (
        abilities.get("chat_completion") is False and not abilities.get("embeddings")
    ):
        capabilities = ()
    elif row.get("type") == "embedding" or abilities.get("embeddings") is True:
        capabilities = ("embeddings",)
    calling = abilities.get("function_calling") is True or "tools" in _words(row.get("supported_parameters"))
    return ListedModel(
        name,
        _text(row.get("display_name")) or (_text(row.get("name")) if row.get("name") != name else ""),
        _first(windows),
        _first(longest),
        capabilities,
        calling,
    )


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(value: object) -> str:
    """Words for people, cut to what a column holds."""
    return "".join(char for char in value if char.isprintable())[:200] if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return number if 0 < number <= 1_000_000_000 else None


def _first(values: Iterable[object]) -> int | None:
    return next((count for count in map(_count, values) if count), None)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
