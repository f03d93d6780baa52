"""Foreign text comes in without our key, however it is written there."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.core.dialects.translation import refused
from llm.core.errors import redact

KEY = "sk-live+/one=two~0123456789"


@pytest.mark.parametrize("text", [KEY, quote(KEY, safe=""), quote(KEY), f"Bearer {KEY}"])
def test_plain_and_url_encoded(text: str) -> None:
    assert redact(f"wrong key {text}!", KEY) in ("wrong key ***!", "wrong key Bearer ***!")


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_base64_wherever_the_key_begins_in_it(before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        written = redact(encode(before + KEY.encode() + after).decode(), KEY)
        assert "***" in written
        assert len(written) <= len(encode(before + after)) + 12


def test_text_without_the_key_stays_and_is_cut_to_a_readable_length() -> None:
    assert redact("all is well", KEY) == "all is well"
    assert redact("x" * 3_000, KEY) == "x" * 2_000 + "…"
    assert redact("no key", None) == "no key"


def test_code_and_kind_of_a_refusal_are_redacted_too() -> None:
    error = refused(400, f"bad {KEY}", "p", KEY, kind=KEY, code=KEY)
    assert (error.message, error.kind, error.wire_code) == ("Provider p: bad ***", "***", "***")
