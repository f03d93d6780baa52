"""Totals with "of which" figures, as OpenAI's wire reports usage, made into buckets that do not overlap.

Promised: no bucket is negative, and the buckets of a side sum to the total the provider reported, whatever it says of
the parts; where parts overlap or exceed the total, the later ones give way. Accepted and rejected prediction tokens are
part of the completion total and billed as output, so they need no bucket. Source:
https://platform.openai.com/docs/api-reference/chat/object (usage)
"""

from billing.core.pricing import Usage


def in_buckets(
    prompt: int | None,
    completion: int | None,
    *,
    cached: int | None = None,
    cache_write: int | None = None,
    heard: int | None = None,
    reasoning: int | None = None,
    spoken: int | None = None,
) -> Usage | None:
    """The usage in buckets; None when the totals cannot be true."""
    completion = completion or 0
    if prompt is None or prompt < 0 or completion < 0:
        return None
    if not (cached or cache_write or heard or reasoning or spoken):  # the usual case
        return Usage(prompt, output=completion)
    read = _part(cached, prompt)
    written = _part(cache_write, prompt - read)
    sound = _part(heard, prompt - read - written)
    thought = _part(reasoning, completion)
    voice = _part(spoken, completion - thought)
    return Usage(
        input=prompt - read - written - sound,
        cached_input=read,
        cache_write=written,
        output=completion - thought - voice,
        reasoning=thought,
        audio_input=sound,
        audio_output=voice,
    )


def _part(figure: int | None, rest: int) -> int:
    return min(max(figure or 0, 0), rest)


def count(value: object) -> int:
    """A token count as a provider gave it: never negative, 0 when it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
