"""What one recorded exchange with a provider amounts to, by our translation: read by `test_translated.py`.

Requests come in, and replies go out, in OpenAI's chat shape; the ids, times and names that the gateway makes up are
fixed here.
"""

import json
from types import ModuleType
from typing import Any

from llm.core import errors
from llm.core.assembly import assemble
from llm.core.conversation import Conversation, Reply
from llm.core.deltas import Delta, Finished
from llm.core.dialects import anthropic, google, ollama, openai_chat
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest, LlmError
from tests.wire.folding import folded

TRANSLATORS: dict[str, ModuleType] = {
    "anthropic": anthropic,
    "google": google,
    "ollama": ollama,
    "openai_responses_provider": openai_responses,
}
SECRET = "sk-secret"


def sent(dialect: str, conversation: Conversation, target: dict[str, Any]) -> dict[str, Any]:
    """The request as the provider gets it, or the refusal the client gets."""
    try:
        outgoing = TRANSLATORS[dialect].encode(conversation, Target(**{"model": conversation.model, **target}))
    except InvalidRequest as error:
        return {"refused": shown(error)}
    found = {"path": outgoing.path, "headers": outgoing.headers, "body": json.loads(outgoing.body)}
    return {**found, "dropped": list(outgoing.dropped)} if outgoing.dropped else found


def written(reply: Reply) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(openai_chat.write(reply, "id", 0, reply.model)[0])
    answer["provider_finish"] = [choice.native_finish for choice in reply.choices]
    return answer


def whole(dialect: str, body: bytes) -> dict[str, Any]:
    return written(TRANSLATORS[dialect].decode(body, "seed"))


def streamed(dialect: str, pieces: list[bytes]) -> tuple[list[Delta], Any]:
    """The deltas of a stream that came in these pieces, and its decoder."""
    decoder = TRANSLATORS[dialect].stream("seed", dialect, SECRET)
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return [*deltas, *decoder.finish()], decoder


def told(dialect: str, stream: bytes) -> dict[str, Any]:
    """A stream as one reply, with how it ended."""
    deltas, decoder = streamed(dialect, [stream])
    reply = assemble(deltas)
    found = {**written(reply), "done": decoder.done}
    ended = {delta.choice for delta in deltas if isinstance(delta, Finished)}
    told_whole = [choice for choice in found["choices"] if choice["index"] in ended]
    assert [choice for choice in folded(deltas) if choice["index"] in ended] == told_whole, "a stream says otherwise"
    return found if decoder.error is None else {**found, "error": shown(decoder.error)}


def shown(error: LlmError) -> dict[str, Any]:
    """An error as the client sees it, with what the pipeline is told about it."""
    found: dict[str, Any] = {"status": error.status, **json.loads(errors.body(error))["error"]}
    if error.retryable:
        found["retryable"] = True
    if error.retry_after is not None:
        found["retry_after"] = error.retry_after
    return found
