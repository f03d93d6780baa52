"""Signatures agree with the specification's own library, both ways, and nothing else passes."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from workflows.core.webhooks import BadSignature, is_secret, new_secret, signed_headers, verify

NOW = 1_700_000_000
SECRET = new_secret(bytes(range(32)))
BODY = b'{"type":"transition_fired"}'


def signed(body: bytes = BODY, secret: str = SECRET, at: float = NOW) -> dict[str, str]:
    return signed_headers(secret, "msg_1", at, body)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=24, max_size=64), st.text(), st.text("abc_0", min_size=1))
def test_the_specifications_library_signs_as_we_do(key: bytes, text: str, message_id: str) -> None:
    secret = new_secret(key)
    body = text.encode("utf-8", "replace")
    ours = signed_headers(secret, message_id, NOW, body)
    moment = datetime.fromtimestamp(NOW, UTC)
    assert Webhook(secret).sign(message_id, moment, body.decode()) == ours["webhook-signature"]
    assert verify(secret, ours, body, NOW) == message_id


def test_the_specifications_library_accepts_ours() -> None:
    now = datetime.now(UTC).timestamp()
    assert Webhook(SECRET).verify(BODY, signed(at=now)) == {"type": "transition_fired"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"webhook-id": ""}, "The header webhook-id is missing."),
        ({"webhook-id": "msg_2"}, "No signature of the header webhook-signature is right."),
        ({"webhook-id": "x" * 201}, "The header webhook-id has more than 200 characters"),
        ({"webhook-timestamp": "1e9"}, "The header webhook-timestamp is no number of seconds."),
        ({"webhook-timestamp": "9" * 5_000}, "The header webhook-timestamp is no number of seconds."),
        ({"webhook-timestamp": str(NOW + 1)}, "No signature of the header webhook-signature is right."),
        ({"webhook-timestamp": str(NOW - 301)}, "more than 300 s away"),
        ({"webhook-timestamp": str(NOW + 301)}, "more than 300 s away"),
        ({"webhook-signature": "v1,AAAA"}, "No signature of the header webhook-signature is right."),
        ({"webhook-signature": "v1,\ud800é"}, "No signature of the header webhook-signature is right."),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, str], said: str) -> None:
    with pytest.raises(BadSignature) as caught:
        verify(SECRET, {**signed(), **change}, BODY, NOW)
    assert said in str(caught.value)


def test_another_body_or_secret_is_refused_and_one_right_signature_of_several_is_enough() -> None:
    for body, secret in ((BODY + b" ", SECRET), (BODY, new_secret(bytes(32)))):
        with pytest.raises(BadSignature):
            verify(secret, signed(), body, NOW)
    both = {**signed(), "webhook-signature": "v1,AAAA " + signed()["webhook-signature"] + " v2,x"}
    assert verify(SECRET, both, BODY, NOW + 300) == "msg_1"


def test_what_a_secret_is() -> None:
    assert is_secret(SECRET)
    assert is_secret(SECRET.removeprefix("whsec_"))
    for wrong in ("", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(bytes(23)).decode(), new_secret(bytes(65))):
        assert not is_secret(wrong)
