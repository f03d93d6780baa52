"""API keys: their form, the checksum that tells a slip from an unknown key, and refused settings."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.errors import BadInput
from billing.core.keys import ApiKeySettings, Limits, check_settings, digest, hint, make_key, well_formed

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@given(st.binary(min_size=20, max_size=20))
def test_a_key_is_well_formed_and_its_hint_gives_little_away(randomness: bytes) -> None:
    key = make_key(randomness)
    assert (len(key), well_formed(key)) == (41, True)
    assert len(hint(key)) == 12
    assert key not in digest(key)


@given(st.binary(min_size=20, max_size=20), st.integers(3, 34), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(randomness: bytes, place: int, wrong: str) -> None:
    key = make_key(randomness)
    changed = key[:place] + wrong + key[place + 1 :]
    assert well_formed(changed) is (changed == key)


@pytest.mark.parametrize("size", [0, 19, 21])
def test_too_little_randomness_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        make_key(b"x" * size)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (ApiKeySettings(" "), "name"),
        (ApiKeySettings("x" * 101), "name"),
        (ApiKeySettings("x", user="a\nb"), "user"),
        (ApiKeySettings("x", scopes=()), "scopes"),
        (ApiKeySettings("x", scopes=("chat", "root")), "scopes"),
        (ApiKeySettings("x", models=("gpt-4", "a b")), "models"),
        (ApiKeySettings("x", expires_at=NOW), "expiresAt"),
        (ApiKeySettings("x", limits=Limits(requests_per_minute=0)), "requestsPerMinute"),
        (ApiKeySettings("x", limits=Limits(tokens_per_minute=10**10)), "tokensPerMinute"),
        (ApiKeySettings("x", limits=Limits(concurrent_requests=-1)), "concurrentRequests"),
        (ApiKeySettings("x", limits=Limits(burst=5)), "burst"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: ApiKeySettings, field: str) -> None:
    with pytest.raises(BadInput, match=field) as refused:
        check_settings(settings, NOW)
    assert refused.value.details == {"field": field}
