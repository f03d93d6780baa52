"""Makes a request fit a provider on OpenAI's wire that knows a member by another name, or refuses it.

The provider's `members` say which: a new name, or None. A renamed member keeps its value. One that is refused is left
out and named in `x-circuit-breaker-dropped`, but for those that ask for something the client would miss in the
answer: they are a 400 naming the member, unless their value asks for nothing. What only
translated requests lose (`ProviderRow.leaves_out`) is the encoder's (`Target.refused`): bytes that pass keep it.
Requests without any such name are not taken apart. Next file: `dialects/openai.py`.
"""

from llm.core.errors import InvalidRequest
from llm.core.operations.members import given, read_members
from llm.core.operations.operation import Changes
from llm.core.snapshot import Provider

ASKS_FOR_NOTHING = {
    "n": (b"1",),
    "best_of": (b"1",),
    "logprobs": (b"false",),
    "top_logprobs": (b"0",),
    "logit_bias": (b"{}",),
    "response_format": (b'{"type":"text"}', b'{"type": "text"}'),
    "tools": (b"[]",),
    "functions": (b"[]",),
}
"""Members without which the answer would not be what was asked for, and the values that ask for nothing."""


def fit(provider: Provider, body: bytes, changes: Changes) -> tuple[Changes, tuple[str, ...]]:
    """The changes with those the provider needs, and the members of the client's request that were left out.

    Raises InvalidRequest for a member that cannot be left out.
    """
    if b"\\u00" not in body and not any(
        name in changes or b'"%b"' % name.encode() in body for name in provider.members
    ):
        return changes, ()
    there = read_members(body)
    fitted, dropped = dict(changes), []
    for name, other in provider.members.items():
        ours = fitted.pop(name, None) if name not in there else None
        if other is not None and ours is not None:
            fitted[other] = ours
        if name not in there:
            continue
        value = bytes(there[name])
        fitted[name] = None
        if other is not None:
            if other not in there:
                fitted[other] = value
            continue
        if name in ASKS_FOR_NOTHING and given(value) and value not in ASKS_FOR_NOTHING[name]:
            raise InvalidRequest(f"`{name}`: {provider.name} cannot do that.", name, "unsupported_parameter")
        dropped.append(name)
    return fitted, tuple(dropped)
