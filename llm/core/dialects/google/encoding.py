"""A conversation as a generateContent request; `rules.py` says what becomes of the rest.

Raises InvalidRequest naming the client's field. Next file: `contents.py`, the messages.
"""

import re

import msgspec

from llm.core.conversation import Conversation, Drops, Options, Tool, cannot
from llm.core.dialects.google import rules
from llm.core.dialects.google.contents import NAME, Contents, Fields, system_text
from llm.core.dialects.google.schemas import adapt
from llm.core.dialects.translation import Outgoing, Target, offered

THIRD = re.compile(r"gemini-(?:[3-9]|[1-9]\d)")
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "seed": "seed",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}


def encode(conversation: Conversation, target: Target) -> Outgoing:
    """Raises InvalidRequest, naming the field, for what this wire cannot say."""
    drops = Drops(conversation.unknown)
    third = THIRD.match(target.model) is not None
    body: Fields = {"contents": Contents(third, drops).add(conversation.messages)}
    system = system_text(conversation.messages, drops)
    if system:
        body["systemInstruction"] = {"parts": system}
    _tools(body, conversation, drops)
    settings = _settings(conversation, drops)
    thinking = _thinking(conversation.options, target.model, third, drops)
    if thinking:
        settings["thinkingConfig"] = thinking
    if settings:
        body["generationConfig"] = settings
    drops.note_given(conversation.options, rules.DROPPED)
    method = "streamGenerateContent?alt=sse" if conversation.stream else "generateContent"
    headers = {"content-type": "application/json"}
    return Outgoing(f"/models/{target.model}:{method}", headers, msgspec.json.encode(body), drops.names())


def _tools(body: Fields, conversation: Conversation, drops: Drops) -> None:
    tools: list[Fields] = []
    declared: list[Fields] = []
    for number, tool in enumerate(conversation.tools):
        if tool.native is None:
            declared.append(_declaration(tool, number, drops))
        elif tool.native.origin == "google":
            tools.append(tool.native.block)
        else:
            cannot(NAME, "a tool that another provider runs", tool.where(number))
    if declared:
        tools.insert(0, {"functionDeclarations": declared})
    if conversation.options.web_search_options is not None:
        tools.append({"googleSearch": {}})
        if conversation.options.web_search_options:
            drops.note("web_search_options")
    if tools:
        body["tools"] = tools
    choice = conversation.tool_choice
    if choice is None or not declared:
        return
    config: Fields = {"mode": MODES[choice.mode]}
    if choice.names and choice.mode in ("named", "required"):
        config["allowedFunctionNames"] = choice.names
    elif choice.names:
        allowed = {tool.name for _, tool in offered(conversation)}
        tools[0]["functionDeclarations"] = [tool for tool in declared if tool["name"] in allowed]
    body["toolConfig"] = {"functionCallingConfig": config}


def _declaration(tool: Tool, number: int, drops: Drops) -> Fields:
    where = f"{tool.where(number)}.function"
    if tool.custom is not None:
        cannot(NAME, "custom tools", f"{tool.where(number)}.custom")
    if tool.strict is not None:
        drops.note("tools[].function.strict")
    if tool.cache is not None:
        drops.note("tools[].cache_control")
    fields: Fields = {"name": tool.name}
    if tool.description is not None:
        fields["description"] = tool.description
    schema = adapt(tool.parameters, f"{where}.parameters", drops) if tool.parameters else {}
    if schema.get("properties") or "anyOf" in schema or schema.get("type", "object") != "object":
        fields["parameters"] = schema
    elif "description" in schema:  # an object without properties Gemini refuses
        drops.note(f"{where}.parameters.description")
    return fields


def _settings(conversation: Conversation, drops: Drops) -> Fields:
    options = conversation.options
    found: Fields = {}
    for ours, theirs in SAMPLING.items():
        value = getattr(options, ours)
        if value is not None:
            found[theirs] = value
    if len(options.stop) > rules.MAX_STOPS:
        cannot(NAME, f"more than {rules.MAX_STOPS} stop sequences", "stop")
    if options.stop:
        found["stopSequences"] = options.stop
    if options.modalities and options.modalities != ("text",):
        found["responseModalities"] = [kind.upper() for kind in options.modalities]
    if options.audio is not None:
        voice = {"prebuiltVoiceConfig": {"voiceName": options.audio.get("voice")}}
        found["speechConfig"] = {"voiceConfig": voice}
        if options.audio.get("format") not in (None, "pcm16"):
            drops.note("audio.format")
    wanted = conversation.response_format
    if wanted is not None and wanted.mode != "text":
        if wanted.description is not None:
            drops.note("response_format.json_schema.description")
        found["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            found["responseSchema"] = adapt(wanted.schema, "response_format.json_schema.schema", drops)
    return found


def _thinking(options: Options, model: str, third: bool, drops: Drops) -> Fields:
    effort, budget = options.reasoning_effort, options.thinking_budget
    if effort is None and budget is None:
        return {}
    if budget is None and third:
        found: Fields = {"thinkingLevel": _level(effort or "", model, drops)}
    else:
        tokens = budget if budget is not None else rules.BUDGETS[effort or "medium"]
        found = {"thinkingBudget": max(tokens, rules.LEAST_PRO_BUDGET) if "-pro" in model and tokens >= 0 else tokens}
    if effort != "none" and budget != 0:
        found["includeThoughts"] = True
    return found


def _level(effort: str, model: str, drops: Drops) -> str:
    """The nearest that the model knows; another than asked is named."""
    level = rules.LEVELS.get(effort, "high")
    if "-pro" not in model:
        return level
    named = [others for name, others in rules.PRO_LEVELS.items() if model.startswith(name)]
    nearest = (named[0] if named else rules.LATER_PRO_LEVELS).get(level, level)
    if nearest != level:
        drops.note("reasoning_effort")
    return nearest
