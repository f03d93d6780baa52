"""A request's body as a Struct, for every wire. A wrong type or an impossible value is a Refusal 400 naming it."""

from typing import TypeVar

import msgspec

from llm.sandbox.errors import Refusal

Request = TypeVar("Request")


def read(body: bytes, kind: type[Request]) -> Request:
    """`body` as `kind`. Refusal 400 when it is not JSON or does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as reason:
        message, _, path = str(reason).partition(" - at `$")
        raise Refusal(400, f"{message}.", param=path.rstrip("`").lstrip(".") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as reason:
        raise Refusal(400, f"The body is not JSON: {reason}.") from None
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.") from None
