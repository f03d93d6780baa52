"""Embeddings on wires that are not OpenAI's: a `Crossing` for each, over one inner form: texts in, vectors out.

What these wires cannot say is a 400 naming the field: token numbers as input, and other encodings than `float` and
`base64`. More texts than a wire takes at once go out in parts (`Outgoing.more`), up to as many as OpenAI takes. Vectors
are packed here where the client asks for base64, as the official SDK does. Usage the provider does not report is shown
as our estimate, and booked as one. Sources:
https://ai.google.dev/api/embeddings and
https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings
"""

import base64
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import cannot
from llm.core.dialects.translation import Outgoing, broken
from llm.core.errors import InvalidRequest, ProviderBroken, ProviderError
from llm.core.operations import Attempt, StreamDecoder
from llm.core.operations.estimate import BYTES_PER_TOKEN
from llm.core.operations.usage import with_cost

MOST_TEXTS = 2_048
"""To embed in one call that takes several requests, as many as OpenAI takes.
Source: https://platform.openai.com/docs/api-reference/embeddings/create"""
KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user", "usage", "circuit_breaker", "stream"})


class Wanted(msgspec.Struct, frozen=True):
    """What a client asks for."""

    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str = "float"


class Vectors(msgspec.Struct, frozen=True):
    """What a provider answers. `read`: tokens of the input, if it says."""

    vectors: list[list[float]]
    read: int | None = None


DecodeError = Callable[[int, bytes, str, str | None], ProviderError]
Encode = Callable[[str, list[str], int | None], tuple[str, Any]]
"""The provider's name of the model, the texts, the dimensions: the path and the body."""

_wanted = msgspec.json.Decoder(Wanted)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class Embeddings:
    """A `Crossing`."""

    stream_types = ()
    wants_bytes = False

    def __init__(
        self,
        title: str,
        encode: Encode,
        decode: Callable[[bytes], Vectors],
        decode_error: DecodeError,
        at_once: int | None = None,
    ) -> None:
        """`title` names the wire in refusals. `decode` raises msgspec.DecodeError. `at_once`: the most texts in one
        request."""
        self._at_once = at_once
        self._title = title
        self._encode = encode
        self._decode = decode
        self._decode_error = decode_error

    def addresses(self, attempt: Attempt) -> tuple[str, ...]:
        return ()

    def encode(self, attempt: Attempt) -> Outgoing:
        wanted = _read(attempt.body)
        texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
        plain = [text for text in texts if isinstance(text, str)]
        if len(plain) < len(texts):
            cannot(self._title, "token numbers", "input")
        size = self._at_once or len(plain)
        if size < len(plain) > MOST_TEXTS:
            cannot(self._title, f"more than {MOST_TEXTS} texts in one call ({len(plain)} were sent)", "input")
        model = attempt.deployment.model.upstream
        parts = [self._encode(model, plain[at : at + size], wanted.dimensions) for at in range(0, len(plain), size)]
        members = _members.decode(attempt.body)
        dropped = tuple(name for name in members if name == "user" or name not in KNOWN)
        first, *more = [_encode(body) for _, body in parts]
        return Outgoing(parts[0][0], {}, first, dropped, tuple(more))

    def decode(self, attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
        return self.whole(attempt, [self.part(attempt, body)])

    def part(self, attempt: Attempt, body: bytes) -> Vectors:
        """One answer. Raises ProviderBroken, ProviderError."""
        try:
            return self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._failure(attempt, body) from None

    def whole(self, attempt: Attempt, parts: list[Vectors]) -> tuple[bytes, Usage | None, tuple[str, ...]]:
        """The client's answer of those of all parts, in their order; usage if each part says.

        Raises ProviderBroken where vectors are missing: which text each belongs to is known by its place only.
        """
        wanted = _read(attempt.body)
        vectors = [vector for part in parts for vector in part.vectors]
        texts = 1 if isinstance(wanted.input, str) else len(wanted.input)
        if len(vectors) != texts or any(len(part.vectors) != self._at_once for part in parts[:-1]):
            raise ProviderBroken(f"Provider {attempt.provider} answered {texts} texts with {len(vectors)} vectors.")
        counts = [max(part.read, 0) for part in parts if part.read is not None]
        usage = Usage(input=sum(counts)) if len(counts) == len(parts) else None
        read = len(attempt.body) // BYTES_PER_TOKEN + 1 if usage is None else usage.input
        packed = wanted.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": number, "embedding": _packed(vector) if packed else vector}
            for number, vector in enumerate(vectors)
        ]
        counted = {"prompt_tokens": read, "total_tokens": read}
        model = attempt.deployment.model
        written = _encode({"object": "list", "data": data, "model": model.upstream, "usage": counted})
        if attempt.request.wants_cost:
            written = with_cost(written, usage or Usage(input=read), attempt)
        return written, usage, ()

    def stream(self, attempt: Attempt) -> StreamDecoder:
        raise AssertionError("The operation lets no request for a stream pass.")

    def decode_error(self, attempt: Attempt, status: int, body: bytes) -> ProviderError:
        return self._decode_error(status, body, attempt.provider, attempt.secret)

    def _failure(self, attempt: Attempt, body: bytes) -> ProviderBroken | ProviderError:
        if b'"error"' in body:
            return self.decode_error(attempt, 0, body)
        return broken(attempt.provider, body)


def _read(body: bytes) -> Wanted:
    try:
        wanted = _wanted.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The request cannot be read: {error}.") from None
    if wanted.encoding_format not in ("float", "base64"):
        raise InvalidRequest("`encoding_format` must be float or base64.", "encoding_format")
    return wanted


def _packed(vector: list[float]) -> str:
    """Little-endian 32-bit floats, as OpenAI packs them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


# Gemini: one request for each text, sent together.


class _Values(msgspec.Struct):
    values: list[float]


class _Counted(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _GoogleReply(msgspec.Struct, rename="camel"):
    embeddings: list[_Values]
    usage_metadata: _Counted | None = None


_google_reply = msgspec.json.Decoder(_GoogleReply)


def encode_google(model: str, texts: list[str], dimensions: int | None) -> tuple[str, Any]:
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    requests = [{"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **size} for text in texts]
    return f"/models/{model}:batchEmbedContents", {"requests": requests}


def decode_google(body: bytes) -> Vectors:
    reply = _google_reply.decode(body)
    counted = reply.usage_metadata.prompt_token_count if reply.usage_metadata is not None else None
    return Vectors([one.values for one in reply.embeddings], counted)


# Ollama


class _OllamaReply(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int | None = None


_ollama_reply = msgspec.json.Decoder(_OllamaReply)


def encode_ollama(model: str, texts: list[str], dimensions: int | None) -> tuple[str, Any]:
    size = {} if dimensions is None else {"dimensions": dimensions}
    return "/api/embed", {"model": model, "input": texts, **size}


def decode_ollama(body: bytes) -> Vectors:
    reply = _ollama_reply.decode(body)
    return Vectors(reply.embeddings, reply.prompt_eval_count)
