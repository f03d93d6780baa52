"""All dialects by name, and how each carries each operation: the table of who can do what, and how.

A provider that differs only in data (address, key header) is a row in `providers.py`, not a dialect. Same wire on both
sides: bytes pass through. Another wire: a bridge. What is not in the table cannot be done, and routing passes it over.
"""

from llm.core.dialects import anthropic, anthropic_native, azure, google, google_native, ollama, openai, vectors
from llm.core.dialects.bridge import Bridge
from llm.core.dialects.client_wires import ChatCompletions, ClientWire, Contents, Messages, Responses
from llm.core.dialects.counting import Counted
from llm.core.dialects.crossing import EVENT_STREAM, Crossing, Dialect, PassThrough
from llm.core.dialects.google.rules import MAX_TEXTS
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.translation import Outgoing
from llm.core.operations import Attempt, chat, completions, contents, embeddings, messages, responses, token_counts
from llm.core.operations.members import rewrite
from llm.core.request_fit import fit

CLIENTS: dict[str, ClientWire] = {
    chat.name: ChatCompletions(),
    messages.name: Messages(),
    responses.name: Responses(),
    contents.name: Contents(),
}
"""The wires that clients speak, by operation."""
NDJSON = (b"application/x-ndjson", b"application/json")
SSE_OR_ARRAY = (EVENT_STREAM, b"application/json")


def at_google(url: str) -> bool:
    """Files that Gemini fetches itself: those uploaded there, and videos."""
    return url.startswith(("https://generativelanguage.googleapis.com/", "https://www.youtube.com/", "gs://"))


def _at_azure(attempt: Attempt, outgoing: Outgoing) -> Outgoing:
    outgoing = _fitted(attempt, outgoing)
    path = azure.path(attempt.deployment.provider, attempt.deployment.model.upstream, outgoing.path)
    return Outgoing(path, outgoing.headers, outgoing.body, outgoing.dropped)


def _fitted(attempt: Attempt, outgoing: Outgoing) -> Outgoing:
    """The members that the provider's row renames or refuses, as where bytes pass through."""
    provider, model = attempt.deployment.provider, attempt.deployment.model.upstream
    if not provider.members:
        return outgoing
    changes, dropped = fit(provider, outgoing.body, {})
    if not changes:
        return outgoing
    body = rewrite(outgoing.body, model, attempt.deployment.model_json, changes)
    named = dict.fromkeys((*outgoing.dropped, *dropped))
    named.pop("stream_options", None)  # those are our own
    return Outgoing(outgoing.path, outgoing.headers, body, tuple(named))


def _below_v1(attempt: Attempt) -> Outgoing:
    """Ollama speaks OpenAI's wire, too, beside its own: what its own has no path for goes there."""
    outgoing = openai.encode(attempt)
    return Outgoing(f"/v1{outgoing.path}", outgoing.headers, outgoing.body, outgoing.dropped)


_openai = PassThrough(openai.encode, openai.decode, openai.stream, openai.decode_error)
_azure = PassThrough(azure.encode, azure.decode, azure.stream, azure.decode_error)
_ollama_v1 = PassThrough(_below_v1, openai.decode, openai.stream, openai.decode_error)
_messages = PassThrough(
    anthropic_native.encode, anthropic_native.decode, anthropic_native.stream, anthropic_native.decode_error
)


_contents = PassThrough(google_native.encode, google_native.decode, google_native.stream, google_native.decode_error)
_counted = Counted()


def _bridge(operation: str) -> Bridge:
    """To OpenAI's chat wire, from another."""
    return Bridge(openai_chat, CLIENTS[operation], adapt=_fitted)


_same: dict[str, Crossing] = dict.fromkeys((chat.name, completions.name, embeddings.name, responses.name), _openai)
_azures: dict[str, Crossing] = {
    **dict.fromkeys(_same, _azure),
    messages.name: Bridge(openai_chat, CLIENTS[messages.name], adapt=_at_azure),
    contents.name: Bridge(openai_chat, CLIENTS[contents.name], adapt=_at_azure),
    token_counts.name: _counted,
}


def _azures_header(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"api-key": secret}


DIALECTS: dict[str, Dialect] = {
    "openai": Dialect(
        openai_chat.credentials,
        {
            **_same,
            messages.name: _bridge(messages.name),
            contents.name: _bridge(contents.name),
            token_counts.name: _counted,
        },
    ),
    "openai_chat": Dialect(
        openai_chat.credentials,
        {
            **_same,
            messages.name: _bridge(messages.name),
            contents.name: _bridge(contents.name),
            responses.name: _bridge(responses.name),
            token_counts.name: _counted,
        },
    ),
    "openai_responses": Dialect(
        openai_chat.credentials,
        {
            **_same,
            chat.name: Bridge(openai_responses, CLIENTS[chat.name], adapt=_fitted),
            messages.name: Bridge(openai_responses, CLIENTS[messages.name], adapt=_fitted),
            contents.name: Bridge(openai_responses, CLIENTS[contents.name], adapt=_fitted),
            token_counts.name: _counted,
        },
    ),
    "azure": Dialect(_azures_header, _azures),
    "azure_chat": Dialect(
        _azures_header, {**_azures, responses.name: Bridge(openai_chat, CLIENTS[responses.name], adapt=_at_azure)}
    ),
    "anthropic": Dialect(
        anthropic.credentials,
        {
            **{name: Bridge(anthropic, client) for name, client in CLIENTS.items()},
            messages.name: _messages,
            token_counts.name: _messages,
        },
    ),
    "google": Dialect(
        google.credentials,
        {
            **{
                name: Bridge(google, client, stream_types=SSE_OR_ARRAY, wants_bytes=True, stays=at_google)
                for name, client in CLIENTS.items()
            },
            contents.name: _contents,
            token_counts.name: _counted,
            embeddings.name: vectors.Embeddings(
                "Gemini", vectors.encode_google, vectors.decode_google, google.decode_error, MAX_TEXTS
            ),
        },
    ),
    "ollama": Dialect(
        ollama.credentials,
        {
            **{name: Bridge(ollama, client, stream_types=NDJSON, wants_bytes=True) for name, client in CLIENTS.items()},
            completions.name: _ollama_v1,
            token_counts.name: _counted,
            embeddings.name: vectors.Embeddings(
                "Ollama", vectors.encode_ollama, vectors.decode_ollama, ollama.decode_error
            ),
        },
    ),
}
