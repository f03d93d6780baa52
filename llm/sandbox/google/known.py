"""Which members Gemini's requests have. Any other is a 400 there, in the words that the real API uses.

Members may be spelled as in JSON (`maxOutputTokens`) or as in the proto files (`max_output_tokens`): `plain` gives
the request in the first spelling, so that the readers in `requests.py` know one. What a client may name freely
(arguments, results, JSON schemas, metadata) is not looked into. Sources: https://ai.google.dev/api/generate-content,
https://ai.google.dev/api/caching (Content, Part, Tool, Schema), https://ai.google.dev/api/embeddings; the sentence as
people report it, e.g. https://github.com/ax-llm/ax/issues/293
"""

import re
from typing import Any

from llm.sandbox.errors import Refusal

FREE = ""
"""The kind of a member whose inside is nobody's business here."""
Kinds = dict[str, str]


def _free(*names: str) -> Kinds:
    return dict.fromkeys(names, FREE)


KNOWN: dict[str, Kinds] = {
    "generate": {
        "contents": "content",
        "systemInstruction": "content",
        "tools": "tool",
        "toolConfig": "toolConfig",
        "generationConfig": "generationConfig",
        "safetySettings": "safetySetting",
        **_free("model", "cachedContent", "serviceTier", "store"),
    },
    "embed": {"content": "content", **_free("model", "taskType", "title", "outputDimensionality")},
    "batch": {"requests": "embed", **_free("model")},
    "content": {"parts": "part", **_free("role")},
    "part": {
        "inlineData": "blob",
        "fileData": "fileData",
        "functionCall": "functionCall",
        "functionResponse": "functionResponse",
        **_free("text", "thought", "thoughtSignature", "partMetadata", "executableCode", "codeExecutionResult"),
        **_free("toolCall", "toolResponse", "videoMetadata", "mediaResolution"),
    },
    "blob": _free("mimeType", "data"),
    "fileData": _free("mimeType", "fileUri"),
    "functionCall": _free("id", "name", "args"),
    "functionResponse": _free("id", "name", "response", "willContinue", "scheduling", "parts"),
    "tool": {
        "functionDeclarations": "declaration",
        **_free("googleSearchRetrieval", "codeExecution", "googleSearch", "computerUse", "urlContext", "fileSearch"),
        **_free("googleMaps", "mcpServers"),
    },
    "declaration": {
        "parameters": "schema",
        "response": "schema",
        **_free("name", "description", "behavior", "parametersJsonSchema", "responseJsonSchema"),
    },
    "toolConfig": {
        "functionCallingConfig": "callingConfig",
        **_free("retrievalConfig", "includeServerSideToolInvocations"),
    },
    "callingConfig": _free("mode", "allowedFunctionNames"),
    "generationConfig": {
        "responseSchema": "schema",
        "thinkingConfig": "thinkingConfig",
        **_free("stopSequences", "responseMimeType", "responseJsonSchema", "_responseJsonSchema", "seed"),
        **_free("responseModalities", "candidateCount", "maxOutputTokens", "temperature", "topP", "topK"),
        **_free("presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "speechConfig", "imageConfig"),
        **_free("enableEnhancedCivicAnswers", "mediaResolution"),
    },
    "thinkingConfig": _free("includeThoughts", "thinkingBudget", "thinkingLevel"),
    "safetySetting": _free("category", "threshold"),
    "schema": {
        "items": "schema",
        "anyOf": "schema",
        "properties": "schemas",
        **_free("type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "required"),
        **_free("minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "default"),
        **_free("propertyOrdering", "minimum", "maximum"),
    },
}
"""By kind of object: each member, and of what kind it is (or the things in the list it is)."""
MOST_NAMED = 100
HUMP = re.compile(r"[A-Z]")


def plain(document: Any, kind: str) -> Any:
    """The document in JSON's own spelling. Raises Refusal naming each member there is not, and where it stands."""
    unknown: list[str] = []
    found = _plain(document, kind, "", unknown)
    if unknown:
        raise Refusal(400, "\n".join(unknown[:MOST_NAMED]))
    return found


def _plain(document: Any, kind: str, at: str, unknown: list[str]) -> Any:
    if isinstance(document, list):
        return [_plain(one, kind, f"{at}[{number}]", unknown) for number, one in enumerate(document)]
    if not isinstance(document, dict) or kind == FREE:
        return document
    if kind == "schemas":  # a map: its names are the client's
        inside = enumerate(document.items())
        return {name: _plain(one, "schema", f"{at}[{number}].value", unknown) for number, (name, one) in inside}
    found: dict[str, Any] = {}
    for given, value in document.items():
        name = _camel(given)
        inner = KNOWN[kind].get(name)
        if inner is None:
            where = f" at '{at}'" if at else ""
            unknown.append(f'Invalid JSON payload received. Unknown name "{given}"{where}: Cannot find field.')
        else:
            found[name] = _plain(value, inner, f"{at}.{_snake(name)}" if at else _snake(name), unknown)
    return found


def _camel(name: str) -> str:
    first, *others = name.split("_") if not name.startswith("_") else [name]
    return first + "".join([word[:1].upper() + word[1:] for word in others])


def _snake(name: str) -> str:
    return HUMP.sub(lambda hump: f"_{hump.group().lower()}", name)
