"""What Gemini's wire has no place for, and what is done about it: `docs/reference/dialects.md` is made from this.

`DROPPED` are options left out and named in `x-circuit-breaker-dropped`; `REFUSED` are answered with 400 naming the
field; `CHANGED` says what arrives in another form. Next file: `encoding.py`, which keeps these rules.
"""

DROPPED = (
    "logit_bias",
    "parallel_tool_calls",
    "verbosity",
    "prediction",
    "service_tier",
    "store",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
)
REFUSED = {
    "tools[].custom": "custom tools",
    "tools[].function.parameters": "schemas that refer to themselves",
    "stop": "more than five stop sequences",
    "messages[].content": "sound by the id of an earlier answer",
    "input": "more than 2,048 texts to embed in one call",
}
CHANGED = {
    "messages[].content": "Images given by address are fetched by the gateway and sent as bytes, but for files that "
    "were uploaded to Google.",
    "messages": "System and developer messages become `systemInstruction`. Neighbours of one role become one turn. "
    "Marks for the cache, names of authors and files, `detail` of images, citations of earlier answers and thinking "
    "sealed by another provider are dropped, by name.",
    "tools": "Schemas are written in Gemini's subset: `$ref` is put in place, `additionalProperties` and keywords "
    "outside the subset are left out, `oneOf` becomes `anyOf`, `const` an `enum`. The members of `allOf` become one "
    "schema: what cannot be put together is named as dropped, and what excludes the rest refused. Parameters that are "
    "an object without properties are left out. `strict` is dropped.",
    "messages[].tool_call_id": "Results go by the name of the tool; text that is no object is wrapped as `result`, "
    "or as `error` when the call failed. Images in results stand beside them before Gemini 3, inside them since.",
    "messages[].tool_calls": "On Gemini 3 a first call without its signature gets Google's documented skip value.",
    "reasoning_effort": "`thinkingLevel` on Gemini 3, `thinkingBudget` before; thoughts are shown. Pro models of "
    "Gemini 3 know no `minimal` (`low` is sent) and Gemini 3 Pro no `medium` (`high` is sent): named as dropped.",
    "input": "Gemini embeds 100 texts at once: more go out in several requests, four at a time. The call fails if one "
    "of them does; it is one call, with the sum of their tokens.",
    "web_search_options": "Google Search. Its citations arrive; searches made, pages read and sources without a "
    "citation are named as `reply.webSearchQueries` and the like.",
}
MAX_STOPS = 5
BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium"}
"""All above is `high`."""
PRO_LEVELS = {"gemini-3-pro": {"minimal": "low", "medium": "high"}}
"""What stands for a level a model does not know. Source: https://ai.google.dev/gemini-api/docs/thinking"""
LATER_PRO_LEVELS = {"minimal": "low"}
MAX_TEXTS = 100
"""To embed in one request: "at most 100 requests can be in one batch" (https://ai.google.dev/api/embeddings)."""
LEAST_PRO_BUDGET = 128
"""Gemini 2.5 Pro cannot stop thinking. Source: https://ai.google.dev/gemini-api/docs/thinking"""
SKIP_SIGNATURE = "skip_thought_signature_validator"
"""Source: https://ai.google.dev/gemini-api/docs/thought-signatures"""
