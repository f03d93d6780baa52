"""A request is made to fit providers that know its members otherwise: renamed, left out by name, or refused."""

import msgspec
import pytest

from llm.core.configuration import BadInput, check_members
from llm.core.deployment import Deployment
from llm.core.dialects import openai
from llm.core.errors import InvalidRequest
from llm.core.operations import Attempt, chat
from llm.core.providers import PROVIDERS, provider_row
from llm.core.snapshot import Model, Provider

MESSAGES = '"messages":[{"role":"user","content":"Hi"}]'


def sent(name: str, members: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """What the provider of that row gets of a chat request with these members, and what was left out."""
    row = provider_row(name)
    assert row is not None
    provider = Provider(row.name, row.provider_type, row.dialect, "http://x/v1", members=row.members)
    body = f'{{"model":"m",{MESSAGES}{members}}}'.encode()
    attempt = Attempt(chat, chat.read(body), body, Deployment(Model("m", name, "m"), provider), None, "id", 0)
    outgoing = openai.encode(attempt)
    found = msgspec.json.decode(outgoing.body)
    return {key: value for key, value in found.items() if key not in ("model", "messages")}, outgoing.dropped


def test_a_limit_goes_under_the_name_the_provider_knows() -> None:
    assert sent("mistral", ',"max_completion_tokens":7') == ({"max_tokens": 7}, ())
    assert sent("mistral", ',"max_tokens":5') == ({"max_tokens": 5}, ())
    assert sent("together", ',"max_completion_tokens":7,"max_tokens":5') == ({"max_tokens": 5}, ())
    assert sent("openai", ',"max_completion_tokens":7') == ({"max_completion_tokens": 7}, ())


def test_usage_of_a_stream_is_not_asked_for_where_that_is_refused() -> None:
    assert sent("mistral", ',"stream":true') == ({"stream": True}, ())
    wish = ',"stream":true,"stream_options":{"include_usage":true}'
    assert sent("mistral", wish) == ({"stream": True}, ("stream_options",))
    assert sent("groq", ',"stream":true') == ({"stream": True, "stream_options": {"include_usage": True}}, ())


def test_what_changes_no_answer_is_left_out_and_named() -> None:
    assert sent("mistral", ',"user":"u","seed":3,"n":1') == ({"random_seed": 3, "n": 1}, ("user",))
    assert sent("groq", ',"n":1,"logprobs":false') == ({}, ("logprobs", "n"))
    assert sent("groq", ',"logprobs":null') == ({}, ("logprobs",))


@pytest.mark.parametrize("member", ['"n":2', '"logprobs":true', '"logit_bias":{"5":1}'])
def test_what_the_client_would_miss_in_the_answer_is_refused_by_name(member: str) -> None:
    with pytest.raises(InvalidRequest, match="groq cannot do that") as refusal:
        sent("groq", f",{member}")
    assert refusal.value.param == member.split('"')[1]


def test_the_members_of_every_row_pass_the_check_of_the_admin() -> None:
    assert all(check_members(row.members) == row.members for row in PROVIDERS)


@pytest.mark.parametrize("given", [[], "n", {"model": None}, {"N": None}, {"n": ""}, {"n": 3.5}, {"": "n"}])
def test_impossible_members_are_refused(given: object) -> None:
    with pytest.raises(BadInput, match=r"^members "):
        check_members(given)


def test_what_only_translated_requests_lose_passes_in_the_client_s_own() -> None:
    """`OPENAI_BASE_URL` may be a server that knows `top_k`; a client who sends it himself is not second-guessed."""
    assert sent("openai", ',"top_k":5') == ({"top_k": 5}, ())
