"""Gemini's requests as the sandbox reads them, typed as far as it looks; unknown members are refused (`known.py`).

The model comes from the path. Sources: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings
"""

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote

import msgspec

from llm.sandbox.conversation import Called, Conversation, Tool, Turn
from llm.sandbox.errors import Refusal
from llm.sandbox.google.known import plain
from llm.sandbox.reading import read
from llm.sandbox.wire import Asked

Read = TypeVar("Read")


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class FunctionCall(_Camel, frozen=True):
    name: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str = ""


class FunctionResponse(_Camel, frozen=True):
    name: str
    response: msgspec.Raw = msgspec.Raw(b"{}")
    id: str = ""


class Part(_Camel, frozen=True):
    text: str | None = None
    thought: bool | None = None
    inline_data: dict[str, Any] | None = None
    file_data: dict[str, Any] | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(_Camel, frozen=True):
    parts: list[Part] = []
    role: str | None = None


class Declaration(_Camel, frozen=True):
    name: str
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class ToolEntry(_Camel, frozen=True):
    function_declarations: list[Declaration] | None = None


class CallingConfig(_Camel, frozen=True):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(_Camel, frozen=True):
    function_calling_config: CallingConfig | None = None


class ThinkingConfig(_Camel, frozen=True):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, msgspec.Meta(ge=-1)] | None = None
    thinking_level: str | None = None


class GenerationConfig(_Camel, frozen=True):
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    candidate_count: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    thinking_config: ThinkingConfig | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    response_modalities: list[str] | None = None


class GenerateRequest(_Camel, frozen=True):
    """POST models/{model}:generateContent and its kin."""

    contents: Annotated[list[Content], msgspec.Meta(min_length=1)]
    system_instruction: Content | None = None
    tools: list[ToolEntry] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    model: str = ""


class EmbedRequest(_Camel, frozen=True):
    """POST models/{model}:embedContent, and each entry of batchEmbedContents."""

    content: Content
    output_dimensionality: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    model: str = ""


class BatchRequest(_Camel, frozen=True):
    """POST models/{model}:batchEmbedContents."""

    requests: Annotated[list[EmbedRequest], msgspec.Meta(min_length=1, max_length=100)]
    model: str = ""


def generation(asked: Asked) -> GenerateRequest:
    return msgspec.structs.replace(_read(asked.body, GenerateRequest, "generate"), model=_model(asked))


def embedding(asked: Asked) -> EmbedRequest:
    return msgspec.structs.replace(_read(asked.body, EmbedRequest, "embed"), model=_model(asked))


def batch(asked: Asked) -> BatchRequest:
    return msgspec.structs.replace(_read(asked.body, BatchRequest, "batch"), model=_model(asked))


def _read(body: bytes, request: type[Read], kind: str) -> Read:
    """`body` in either spelling of its members. Raises Refusal."""
    document: Any = read(body, object)
    known = plain(document, kind)
    return read(body if known == document else msgspec.json.encode(known), request)


def _model(asked: Asked) -> str:
    name = unquote(asked.path.partition("/models/")[2].rpartition(":")[0])
    if not name:
        raise Refusal(400, "The path names no model.")
    return name


def text_of(content: Content) -> str:
    """The text parts joined, thoughts left out; a medium is named in brackets."""
    said = (part.text if part.text is not None else "[media]" for part in content.parts if not part.thought)
    return " ".join(said)


def conversation(request: GenerateRequest) -> Conversation:
    """The request in the sandbox's own words."""
    config = request.generation_config or GenerationConfig()
    calling = request.tool_config.function_calling_config if request.tool_config is not None else None
    mode, names = (calling.mode or "AUTO", calling.allowed_function_names) if calling is not None else ("AUTO", None)
    schema = config.response_json_schema or plain_schema(config.response_schema)
    in_json = config.response_mime_type == "application/json"
    turns = [Turn("system", text_of(request.system_instruction))] if request.system_instruction else []
    for content in request.contents:
        turns += _turns(content)
    declared = [one for tool in request.tools or [] for one in tool.function_declarations or []]
    return Conversation(
        turns=tuple(turns) or (Turn("user"),),
        tools=tuple(Tool(one.name, one.parameters_json_schema or plain_schema(one.parameters)) for one in declared),
        choice="required" if mode == "ANY" else "none" if mode == "NONE" else "auto",
        allowed=tuple(names) if names else None,
        shape="schema" if schema else "object" if in_json else "text",
        schema=schema or {},
        answers=config.candidate_count or 1,
        stop=tuple(config.stop_sequences or ()),
        limit=config.max_output_tokens,
    )


def _turns(content: Content) -> list[Turn]:
    """One turn for each function's result, and one for the rest. Results name their function; an id may be absent."""
    results = [part.function_response for part in content.parts if part.function_response is not None]
    turns = [Turn("tool", _result(one.response), call_id=one.id or one.name) for one in results]
    called = [part.function_call for part in content.parts if part.function_call is not None]
    calls = tuple(Called(one.id or one.name, one.name, bytes(one.args).decode()) for one in called)
    shown = [part for part in content.parts if part.function_call is None and part.function_response is None]
    if shown or calls or not turns:
        media = [part.inline_data or part.file_data for part in shown if part.text is None]
        sounds = sum(str((one or {}).get("mimeType", "")).startswith("audio/") for one in media)
        role: Literal["assistant", "user"] = "assistant" if content.role == "model" else "user"
        turns.append(Turn(role, text_of(Content(shown)), len(media) - sounds, sounds, calls))
    return turns


def _result(response: msgspec.Raw) -> str:
    """A text is wrapped in an object there, under a key of the caller's choice, `output` or `result` by custom."""
    given = msgspec.json.decode(response)
    if isinstance(given, dict) and len(given) == 1:
        said = given.get("output", given.get("result"))
        if isinstance(said, str):
            return said
    return bytes(response).decode()


def plain_schema(schema: Any) -> Any:
    """Gemini's own schemas spell types in capitals (`STRING`); in JSON Schema they are small."""
    if isinstance(schema, list):
        return [plain_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else plain_schema(value)
        for key, value in schema.items()
    }
