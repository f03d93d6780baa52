"""Who asks, as the gateway is to be told: the key's header, passed on as it came.

A request over HTTP and a socket both have it in their headers; the gateway alone says what it is worth.
"""

from collections.abc import Mapping
from typing import Any

from llm.services.streams import KEY_HEADERS


def key_of(context: Any) -> dict[str, str]:
    """The headers of `info.context` that may hold a key."""
    given: Mapping[str, str]
    if hasattr(context, "scope"):
        headers = context.scope.get("headers", ())
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    else:
        given = {name.lower(): value for name, value in getattr(context, "headers", {}).items()}
    return {name: given[name] for name in KEY_HEADERS if given.get(name)}
