"""A conversation as an Anthropic messages request; `rules.py` says what becomes of the rest.

Raises InvalidRequest naming the client's field. Next file: `turns.py`, the messages.
"""

from typing import Any

import msgspec

from llm.core.conversation import Conversation, Drops, Native, Options, Tool, cannot
from llm.core.dialects.anthropic import rules
from llm.core.dialects.anthropic.turns import Fields, cached, system_blocks, turns
from llm.core.dialects.translation import Outgoing, Target, offered

NAME = "Anthropic"
VERSION = "2023-06-01"
FILES_BETA = "files-api-2025-04-14"
DEFAULT_MAX_TOKENS = 4096
MIN_BUDGET = 1024
NO_ARGUMENTS = {"type": "object", "properties": {}}


def encode(conversation: Conversation, target: Target) -> Outgoing:
    """Raises InvalidRequest, naming the field, for what this wire cannot say."""
    drops = Drops(conversation.unknown)
    options = conversation.options
    _refuse(options)
    body: Fields = {
        "model": target.model,
        "max_tokens": options.max_tokens or target.max_output_tokens or DEFAULT_MAX_TOKENS,
        "messages": turns(conversation.messages, drops),
    }
    system = system_blocks(conversation.messages)
    if system:
        body["system"] = system
    _tools(body, conversation, target.model, drops)
    _response_format(body, conversation, target.model, drops)
    _sampling(body, options, target.model, drops)
    _thinking(body, conversation, target, drops)
    _bookkeeping(body, options, drops)
    if conversation.stream:
        body["stream"] = True
    encoded = msgspec.json.encode(body)
    headers = {"anthropic-version": VERSION, "content-type": "application/json"}
    if b'"file_id":' in encoded:
        headers["anthropic-beta"] = FILES_BETA
    return Outgoing("/messages", headers, encoded, drops.names())


def _refuse(options: Options) -> None:
    if options.n is not None and options.n > 1:
        cannot(NAME, "more than one choice", "n")
    if options.logprobs:
        cannot(NAME, "log probabilities", "top_logprobs" if options.top_logprobs else "logprobs")
    if options.audio is not None:
        cannot(NAME, "spoken answers", "audio")
    if any(kind != "text" for kind in options.modalities):
        cannot(NAME, "answers in anything but text", "modalities")


def _tools(body: Fields, conversation: Conversation, model: str, drops: Drops) -> None:
    tools = [_tool(tool, number, model, drops) for number, tool in offered(conversation)]
    search = conversation.options.web_search_options
    if search is not None:
        tools.append(_web_search(search, drops))
    if tools:
        body["tools"] = tools
    choice = conversation.tool_choice
    chosen: Fields = {}
    if choice is not None and tools:
        if choice.mode == "named":
            chosen = {"type": "tool", "name": choice.names[0]}
        else:
            chosen = {"type": "any" if choice.mode == "required" else choice.mode}
    if conversation.options.parallel_tool_calls is False and tools and chosen.get("type") != "none":
        chosen = {"type": "auto", **chosen, "disable_parallel_tool_use": True}
    if chosen:
        body["tool_choice"] = chosen
    elif conversation.options.parallel_tool_calls is False:
        drops.note("parallel_tool_calls")


def _tool(tool: Tool, number: int, model: str, drops: Drops) -> Fields:
    if tool.native is not None:
        return _own_tool(tool.native, tool.where(number))
    if tool.custom is not None:
        cannot(NAME, "custom tools", f"{tool.where(number)}.custom")
    fields: Fields = {"name": tool.name, "input_schema": {**NO_ARGUMENTS, **(tool.parameters or {})}}
    if tool.description is not None:
        fields["description"] = tool.description
    if tool.strict is not None:
        if model.startswith(rules.WITHOUT_SCHEMA):
            drops.note("tools[].function.strict")
        else:
            fields["strict"] = tool.strict
    return cached(fields, tool.cache)


def _own_tool(native: Native, where: str) -> Fields:
    if native.origin != "anthropic":
        cannot(NAME, "a tool that another provider runs", where)
    return native.block


def _web_search(options: dict[str, Any], drops: Drops) -> Fields:
    fields: Fields = {"type": "web_search_20250305", "name": "web_search"}
    location = options.get("user_location")
    if isinstance(location, dict):
        fields["user_location"] = {"type": "approximate", **(location.get("approximate") or {})}
    if options.get("search_context_size") is not None:
        drops.note("web_search_options.search_context_size")
    return fields


def _response_format(body: Fields, conversation: Conversation, model: str, drops: Drops) -> None:
    """See `rules.CHANGED`."""
    wanted = conversation.response_format
    if wanted is None or wanted.mode == "text":
        return
    schema = wanted.schema if wanted.mode == "schema" else None
    if schema is not None and not model.startswith(rules.WITHOUT_SCHEMA):
        if wanted.description is not None:
            drops.note("response_format.json_schema.description")
        body["output_config"] = {"format": {"type": "json_schema", "schema": closed(schema)}}
        return
    chosen = body.get("tool_choice", {"type": "auto"})
    if chosen["type"] in ("any", "tool"):
        return  # the answer is a call of the client's tool: there is no content to shape
    answer: Fields = {"name": rules.ANSWER_TOOL, "input_schema": schema or NO_ARGUMENTS}
    answer["description"] = (wanted.description or "The answer to the user.") + " Call it once, with the whole answer."
    if chosen["type"] == "none":
        body["tools"] = [answer]
    else:
        body.setdefault("tools", []).append(answer)
    body["tool_choice"] = {"type": "any"} if len(body["tools"]) > 1 else {"type": "tool", "name": rules.ANSWER_TOOL}
    if chosen.get("disable_parallel_tool_use"):
        body["tool_choice"]["disable_parallel_tool_use"] = True


def closed(schema: Any) -> Any:
    """A JSON Schema in which every object says that it takes no other properties, as Anthropic demands."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        name: closed(value) if name not in ("enum", "const", "default") else value for name, value in schema.items()
    }
    if schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def _sampling(body: Fields, options: Options, model: str, drops: Drops) -> None:
    drops.note_given(options, rules.DROPPED)
    if options.stop:
        body["stop_sequences"] = options.stop
    if model.startswith(rules.ADAPTIVE_ONLY):
        drops.note_given(options, ("temperature", "top_p", "top_k"))
        return
    if options.temperature is not None:
        body["temperature"] = min(options.temperature, 1.0)
        if options.temperature > 1:
            drops.note("temperature")
    if options.top_p is not None and options.temperature is not None:
        drops.note("top_p")
    elif options.top_p is not None:
        body["top_p"] = options.top_p
    if options.top_k is not None:
        body["top_k"] = options.top_k


def _thinking(body: Fields, conversation: Conversation, target: Target, drops: Drops) -> None:
    """Thinking as asked for by effort (OpenAI's way) or by budget (Anthropic's and Gemini's)."""
    effort, budget = conversation.options.reasoning_effort, conversation.options.thinking_budget
    if effort is None and budget is None:
        return
    adaptive_only = target.model.startswith(rules.ADAPTIVE_ONLY)
    if effort == "none" or budget == 0:
        if not adaptive_only:
            body["thinking"] = {"type": "disabled"}
        elif not target.model.startswith("claude-opus-4"):  # those think only when asked
            drops.note("reasoning_effort" if budget is None else "thinking_budget")
        return
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if forced or target.model.startswith(rules.WITHOUT_THINKING) or _unthinking(body["messages"]):
        drops.note("reasoning_effort" if budget is None else "thinking_budget")
        return
    if adaptive_only or (budget is None and not target.model.startswith(rules.WITH_BUDGET)):
        wanted = effort or ("high" if budget is None else _effort(budget))
        body["thinking"] = {"type": "adaptive"}
        body.setdefault("output_config", {})["effort"] = rules.EFFORTS.get(wanted, wanted)
    else:
        tokens = budget if budget is not None else rules.BUDGETS[effort or "high"]
        tokens = max(tokens, MIN_BUDGET)
        body["thinking"] = {"type": "enabled", "budget_tokens": tokens}
        if body["max_tokens"] <= tokens:
            body["max_tokens"] += tokens  # the limit there holds thinking, too
            limit = target.max_output_tokens
            body["max_tokens"] = min(body["max_tokens"], limit) if limit and limit > tokens else body["max_tokens"]
    for name in ("temperature", "top_k"):
        if body.pop(name, None) is not None:
            drops.note(name)
    if body.get("top_p", 1) < rules.MIN_TOP_P:
        del body["top_p"]
        drops.note("top_p")


def _effort(budget: int) -> str:
    """The least effort whose budget holds this one."""
    return next((name for name, tokens in rules.BUDGETS.items() if budget <= tokens), "max")


def _unthinking(messages: list[Fields]) -> bool:
    """Whether the last answer called tools without the thinking before it: then thinking may not be turned on."""
    last = next((turn for turn in reversed(messages) if turn["role"] == "assistant"), None)
    if last is None or messages[-1] is last or isinstance(last["content"], str):
        return False
    kinds = [block["type"] for block in last["content"]]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _bookkeeping(body: Fields, options: Options, drops: Drops) -> None:
    user = options.safety_identifier or options.user
    if user is not None:
        body["metadata"] = {"user_id": user}
    tier = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}.get(
        options.service_tier or ""
    )
    if tier is not None:
        body["service_tier"] = tier
    elif options.service_tier is not None:
        drops.note("service_tier")
