"""What the official SDKs are tried with: every parameter and helper, one row each, and what of it reaches the provider.

`test_python.py` and `test_javascript.py` play the rows against one running product; `docs/reference/
openai-compatibility.md` shows them, and a test compares. `SAME`: the provider gets the very bytes the SDK sent.
"""

from dataclasses import dataclass
from typing import Any

SAME = "the same bytes"
USAGE_ADDED = "`stream_options` added, to learn the usage"
TAKEN_OUT = "the member taken out"
RENAMED = "the model by the provider's name for it"
MODEL = EMBEDDER = "sandbox"
"""The sandbox's own model, whose name need not be changed on the way."""
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MESSAGES: Any = [{"role": "user", "content": "How is the weather in Oslo?"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "Weather of a city", "parameters": SCHEMA, "strict": True}
TOOL = {"type": "function", "function": FUNCTION}
RESPONSES_TOOL = {"type": "function", **FUNCTION}
JSON_SCHEMA = {"name": "place", "schema": SCHEMA, "strict": True}


@dataclass(frozen=True)
class Parameter:
    """One parameter of one operation, and what is given. A tuple of names is given together."""

    operation: str
    name: str
    given: dict[str, Any]
    sent: str = SAME


def _chat(name: str, value: Any, **more: Any) -> Parameter:
    return Parameter("chat", name, {name.split(" ")[0]: value, **more})


def _rows(operation: str, rows: list[tuple[str, dict[str, Any]]]) -> list[Parameter]:
    return [Parameter(operation, name, given) for name, given in rows]


def _part(name: str, part: dict[str, Any]) -> Parameter:
    text = {"type": "text", "text": "Look: é 漢 😀"}
    return Parameter("chat", f"messages ({name})", {"messages": [{"role": "user", "content": [text, part]}]})


CHAT = [
    Parameter("chat", "model, messages", {}),
    _chat(
        "messages (all roles)",
        [
            {"role": "system", "content": "Be short."},
            {"role": "developer", "content": "Be kind.", "name": "dev"},
            *MESSAGES,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ],
    ),
    _part("image", {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}),
    _part("audio", {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    _part("file", {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}),
    _chat("audio", {"voice": "alloy", "format": "wav"}, modalities=["text", "audio"]),
    _chat("frequency_penalty", 0.5),
    _chat("function_call", "auto", functions=[{"name": "get_weather", "parameters": SCHEMA}]),
    _chat("functions", [{"name": "get_weather", "parameters": SCHEMA}]),
    _chat("logit_bias", {"50256": -100}),
    _chat("logprobs", True),
    _chat("max_completion_tokens", 20),
    _chat("max_tokens", 20),
    _chat("metadata", {"purpose": "test"}),
    _chat("modalities", ["text"]),
    _chat("moderation", {"model": "omni-moderation-latest"}),
    _chat("n", 2),
    _chat("parallel_tool_calls", False, tools=[TOOL]),
    _chat("prediction", {"type": "content", "content": "It rains."}),
    _chat("presence_penalty", -0.5),
    _chat("prompt_cache_key", "a-key"),
    _chat("prompt_cache_options", {"ttl": "30m"}),
    _chat("prompt_cache_retention", "24h"),
    _chat("reasoning_effort", "low"),
    _chat("response_format (json_object)", {"type": "json_object"}),
    _chat("response_format (json_schema)", {"type": "json_schema", "json_schema": JSON_SCHEMA}),
    _chat("safety_identifier", "person-1"),
    _chat("seed", 7),
    _chat("service_tier", "default"),
    _chat("stop (string)", "\n"),
    _chat("stop (list)", ["\n", "END"]),
    _chat("store", False),
    _chat("temperature", 0.2),
    _chat("tool_choice (none)", "none", tools=[TOOL]),
    _chat("tool_choice (required)", "required", tools=[TOOL]),
    _chat("tool_choice (named)", {"type": "function", "function": {"name": "get_weather"}}, tools=[TOOL]),
    _chat(
        "tool_choice (allowed)",
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}},
        tools=[TOOL],
    ),
    _chat("tools (function)", [TOOL]),
    _chat("tools (custom)", [{"type": "custom", "custom": {"name": "weather", "description": "any text"}}]),
    _chat("top_logprobs", 3, logprobs=True),
    _chat("top_p", 0.9),
    _chat("user", "person-1"),
    _chat("verbosity", "low"),
    _chat("web_search_options", {"search_context_size": "low"}),
    _chat("extra_headers", {"X-Mine": "1"}),
    _chat("extra_query", {"mine": "1"}),
    _chat("extra_body", {"of_no_sdk": {"deep": [1, 2.50, None, "é"]}}),
    _chat("timeout", 30.0),
    Parameter(
        "chat",
        "extra_body (circuit_breaker)",
        {"extra_body": {"circuit_breaker": {"budget_tracking": {"user_id": "u"}}}},
        TAKEN_OUT,
    ),
    Parameter("chat", "model (another name)", {"model": "gpt-4"}, RENAMED),
    Parameter("chat", "stream", {"stream": True}, USAGE_ADDED),
    _chat("stream_options", {"include_usage": True}, stream=True),
]
COMPLETIONS = _rows(
    "completions",
    [
        ("model, prompt", {}),
        ("prompt (list)", {"prompt": ["one", "two"]}),
        ("prompt (tokens)", {"prompt": [1, 2, 3]}),
        ("best_of", {"best_of": 2}),
        ("echo", {"echo": True}),
        ("frequency_penalty", {"frequency_penalty": 0.5}),
        ("logit_bias", {"logit_bias": {"50256": -100}}),
        ("logprobs", {"logprobs": 2}),
        ("max_tokens", {"max_tokens": 20}),
        ("n", {"n": 2}),
        ("presence_penalty", {"presence_penalty": 0.5}),
        ("seed", {"seed": 7}),
        ("stop", {"stop": ["\n"]}),
        ("suffix", {"suffix": "!"}),
        ("temperature", {"temperature": 0}),
        ("top_p", {"top_p": 0.9}),
        ("user", {"user": "person-1"}),
        ("extra_body", {"extra_body": {"of_no_sdk": 1}}),
        ("stream_options", {"stream": True, "stream_options": {"include_usage": True}}),
    ],
)
RESPONSES = _rows(
    "responses",
    [
        ("model, input", {}),
        (
            "input (items)",
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "é"},
                            {"type": "input_image", "image_url": PIXEL, "detail": "low"},
                        ],
                    },
                    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c1", "output": "rain"},
                ]
            },
        ),
        ("include", {"include": ["reasoning.encrypted_content"]}),
        ("instructions", {"instructions": "Be short."}),
        ("max_output_tokens", {"max_output_tokens": 50}),
        ("max_tool_calls", {"max_tool_calls": 2}),
        ("metadata", {"metadata": {"purpose": "test"}}),
        ("parallel_tool_calls", {"parallel_tool_calls": False, "tools": [RESPONSES_TOOL]}),
        ("prompt_cache_key", {"prompt_cache_key": "a-key"}),
        ("prompt_cache_retention", {"prompt_cache_retention": "24h"}),
        ("reasoning", {"reasoning": {"effort": "low", "summary": "auto"}}),
        ("safety_identifier", {"safety_identifier": "person-1"}),
        ("service_tier", {"service_tier": "default"}),
        ("store", {"store": False}),
        ("stream", {"stream": True}),
        ("stream_options", {"stream": True, "stream_options": {"include_obfuscation": False}}),
        ("temperature", {"temperature": 0.2}),
        ("text (json_schema)", {"text": {"format": {"type": "json_schema", **JSON_SCHEMA}, "verbosity": "low"}}),
        ("tool_choice", {"tool_choice": {"type": "function", "name": "get_weather"}, "tools": [RESPONSES_TOOL]}),
        ("tools", {"tools": [RESPONSES_TOOL]}),
        ("top_logprobs", {"top_logprobs": 2}),
        ("top_p", {"top_p": 0.9}),
        ("truncation", {"truncation": "auto"}),
        ("user", {"user": "person-1"}),
        ("extra_body", {"extra_body": {"of_no_sdk": 1}}),
    ],
)
EMBEDDINGS = _rows(
    "embeddings",
    [
        ("model, input", {}),
        ("input (list)", {"input": ["one", "two"]}),
        ("input (tokens)", {"input": [[1, 2], [3]]}),
        ("dimensions", {"dimensions": 8}),
        ("encoding_format (float)", {"encoding_format": "float"}),
        ("encoding_format (base64)", {"encoding_format": "base64"}),
        ("user", {"user": "person-1"}),
        ("extra_body", {"extra_body": {"of_no_sdk": 1}}),
    ],
)
COMPLETIONS.append(Parameter("completions", "stream", {"stream": True}, USAGE_ADDED))
PARAMETERS = [*CHAT, *COMPLETIONS, *RESPONSES, *EMBEDDINGS]
ALWAYS: dict[str, dict[str, Any]] = {
    "chat": {"model": MODEL, "messages": MESSAGES},
    "completions": {"model": MODEL, "prompt": "Hello"},
    "responses": {"model": MODEL, "input": "How is the weather in Oslo?"},
    "embeddings": {"model": EMBEDDER, "input": "Hello"},
}
NOT_OFFERED = {
    "responses": {
        "background": "refused with 400: such a response is fetched later, from an endpoint the gateway does not have"
    }
}
HELPERS: dict[str, dict[str, str]] = {
    "Python": {
        "`chat.completions.stream`: events, `get_final_completion`": "test_chat_stream_helper",
        "`chat.completions.stream`: parallel tools, arguments parsed": "test_chat_stream_helper_with_tools",
        "streamed tool calls, arguments interleaved": "test_interleaved_arguments_keep_their_call",
        "`chat.completions.parse` with a pydantic model": "test_chat_parse",
        "`pydantic_function_tool`": "test_chat_parse_tools",
        "`responses.stream`: events, `get_final_response`": "test_responses_stream_helper",
        "`responses.parse` with a pydantic model": "test_responses_parse",
        "`ResponsesToolRunner`": "test_responses_tool_runner",
        "`responses` with `previous_response_id`": "test_responses_go_on",
        "`with_raw_response`: headers and the parsed reply": "test_raw_response",
        "`with_streaming_response`": "test_streaming_response",
        "`models.list` (pages), `models.retrieve`": "test_models",
        "`max_retries`: 429, 500, 503 are sent again": "test_retries",
        "errors by status": "test_errors",
        "errors in a stream": "test_an_error_in_the_stream_is_seen",
        "`timeout`: the call ends, and is booked": "test_timeout_is_booked",
        "`AsyncOpenAI`: 60 calls at once": "test_async_concurrency",
        "`AsyncOpenAI`: streams side by side": "test_async_streams",
    },
    "JavaScript": {
        "`chat.completions.create`, whole and streamed": "chat",
        "`chat.completions.stream`: events, `finalChatCompletion`": "streamHelper",
        "`chat.completions.parse`": "parse",
        "`chat.completions.runTools`": "runTools",
        "`chat.completions.runTools` with `stream`": "runToolsStreamed",
        "`responses.create`, whole and streamed": "responses",
        "`responses.parse`": "responsesParse",
        "`responses.stream`: `finalResponse`": "responsesStream",
        "`completions.create`": "completions",
        "`embeddings.create`: base64 by itself, and float": "embeddings",
        "`withResponse`, `asResponse`": "rawResponse",
        "`models.list` (pages), `models.retrieve`": "models",
        "`maxRetries`": "retries",
        "`timeout`, `AbortController`": "timeouts",
        "errors by status": "errors",
        "60 calls at once": "concurrency",
    },
}


def lines() -> list[str]:
    """The rows of the page."""
    found = [f"| {row.operation} | `{row.name}` | {row.sent} |" for row in PARAMETERS]
    for operation, names in NOT_OFFERED.items():
        found += [f"| {operation} | `{name}` | {why} |" for name, why in names.items()]
    return found + [f"| {language} | {helper} |" for language, rows in HELPERS.items() for helper in rows]
