"""API keys at the gateway: who is let in, in open mode and where a key is required, and what a call says of its key."""

import time
from pathlib import Path

import msgspec
import pytest

from billing.core.keys import digest, make_key
from llm.core.internal import agents_token
from llm.core.snapshot import ApiKey
from llm.core.uplink import KeysRevoked
from llm.gateway.settings import Settings
from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import Running
from tests.gateway.control import SECRET, snapshot
from tests.gateway.provider import DONE, chunk, stream, usage_chunk

KEY, OTHER = make_key(b"k" * 20), make_key(b"o" * 20)
SIGNED = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(params=[True, False], ids=["required", "open"])
def required(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def settings(tmp_path: Path, required: bool) -> Settings:
    return Settings(
        port=0,
        uplink_secret=SECRET,
        journal_dir=tmp_path,
        request_timeout=5,
        drain_seconds=5,
        api_key_required=required,
    )


async def grant(gateway: Running, *keys: ApiKey, version: int = 2) -> None:
    new = msgspec.structs.replace(snapshot(gateway.provider.url, version), api_keys=keys)
    await gateway.configure(new)


def a_key(**fields: object) -> ApiKey:
    return ApiKey(**{"id": "12", "digest": digest(KEY), "scopes": ("chat",), **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "header",
    ["Authorization: Bearer {}", "Authorization: bearer  {}", "X-Api-Key: {}", "Api-Key: {}", "X-Goog-Api-Key: {}"],
)
async def test_a_valid_key_is_let_in_and_its_labels_are_booked(gateway: Running, header: str) -> None:
    await grant(gateway, a_key(user="anna", project="atlas"))
    name, value = header.format(KEY).split(": ")
    body = {**CHAT, "user": "someone-else"}
    assert (await gateway.ask(post(body, **{name: value}))).status == 200
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.api_key, record.user, record.project) == ("12", "anna", "atlas")
    assert KEY not in str(gateway.provider.requests[0].headers), "a client's key never goes on to a provider"


async def test_without_a_key(gateway: Running, required: bool) -> None:
    for given in ({}, {"Authorization": "Bearer not-needed"}):
        answer = await gateway.ask(post(**given))
        assert answer.status == (401 if required else 200)
        if required:
            assert (answer.error["code"], answer.error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert len(gateway.provider.requests) == (0 if required else 2)


async def test_unknown_revoked_and_mistyped_keys_are_refused_in_both_modes(gateway: Running) -> None:
    await grant(gateway, a_key())
    assert (await gateway.ask(post(Authorization=f"Bearer {OTHER}"))).status == 401
    mistyped = await gateway.ask(post(Authorization=f"Bearer {KEY[:-1]}"))
    assert (mistyped.status, "mistyped" in mistyped.error["message"]) == (401, True)
    assert (await gateway.ask(post(**SIGNED))).status == 200
    await grant(gateway, version=3)
    assert (await gateway.ask(post(**SIGNED))).status == 401


async def test_a_key_told_revoked_is_refused_whatever_a_snapshot_on_its_way_says(gateway: Running) -> None:
    await grant(gateway, a_key())
    assert (await gateway.ask(post(**SIGNED))).status == 200
    await gateway.control.say(KeysRevoked((digest(KEY),)))
    await until_refused(gateway)
    await grant(gateway, a_key(), version=3)
    assert (await gateway.ask(post(**SIGNED))).status == 401
    await grant(gateway, version=4)
    await grant(gateway, a_key(), version=5)
    assert (await gateway.ask(post(**SIGNED))).status == 200, (
        "a snapshot without it has been: this one is another truth"
    )


async def until_refused(gateway: Running) -> None:
    deadline = time.monotonic() + 2
    while (await gateway.ask(post(**SIGNED))).status != 401:
        assert time.monotonic() < deadline


async def test_an_expired_key_is_refused_by_the_workers_own_clock(gateway: Running) -> None:
    await grant(gateway, a_key(expires_at=time.time_ns() + 300_000_000))
    assert (await gateway.ask(post(**SIGNED))).status == 200
    while (answer := await gateway.ask(post(**SIGNED))).status == 200:
        pass
    assert (answer.status, answer.error["message"]) == (401, "This API key has expired.")


async def test_a_missing_scope_and_a_model_that_is_not_allowed_are_403(gateway: Running) -> None:
    await grant(gateway, a_key(scopes=("admin",)))
    answer = await gateway.ask(post(**SIGNED))
    assert (answer.status, answer.error["code"]) == (403, "insufficient_scope")
    await grant(gateway, a_key(models=("gpt-5", "other/gpt-4")), version=3)
    answer = await gateway.ask(post(**SIGNED))
    assert (answer.status, answer.error["code"]) == (403, "model_not_allowed")
    for version, name in enumerate(["gpt-4", "acme/gpt-4"], start=4):
        await grant(gateway, a_key(models=(name,)), version=version)
        assert (await gateway.ask(post(**SIGNED))).status == 200


async def test_a_key_is_shown_only_the_models_it_may_use(gateway: Running, required: bool) -> None:
    new = snapshot(gateway.provider.url, 2)
    second = msgspec.structs.replace(new.models[0], id="gpt-5")
    key, other = a_key(models=("gpt-5", "nobody/gpt-4")), a_key(id="13", digest=digest(OTHER))
    await gateway.configure(msgspec.structs.replace(new, models=(*new.models, second), api_keys=(key, other)))

    async def listed(**headers: str) -> set[str]:
        return {one["id"] for one in (await gateway.ask(get("/v1/models", **headers), "GET")).json["data"]}

    assert {"gpt-4", "gpt-5", "auto"} <= await listed(Authorization=f"Bearer {OTHER}")
    own = await listed(**SIGNED)
    assert {"gpt-5", "auto"} <= own
    assert "gpt-4" not in own
    if not required:
        assert "gpt-4" in await listed()
    for name, status in (("gpt-5", 200), ("acme/gpt-5", 200), ("auto", 200), ("gpt-4", 404), ("acme/gpt-4", 404)):
        assert (await gateway.ask(get(f"/v1/models/{name}", **SIGNED), "GET")).status == status
    await grant(gateway, a_key(models=("gpt-9",)), version=3)
    assert await listed(**SIGNED) == set(), "virtual models would have nothing to choose among"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_key_may_ask_for_the_cost_with_every_request(gateway: Running, streamed: bool) -> None:
    await grant(gateway, a_key(show_cost=True))
    if streamed:
        gateway.provider.answers = [stream(chunk("Hi"), chunk(None, "stop"), usage_chunk(), DONE)]

    async def shown(**members: object) -> bool:
        answer = await gateway.ask(post({**CHAT, "stream": streamed, **members}, **SIGNED))
        assert answer.status == 200
        return b'"cost":0.00099' in answer.body

    assert await shown()
    assert not await shown(usage={"include": False}), "what the request says wins"
    assert await shown(usage={"include": True})
    assert all("usage" not in request.json for request in gateway.provider.requests)
    await grant(gateway, a_key(), version=3)
    assert not await shown()


async def test_what_else_needs_a_key_where_one_is_required(gateway: Running, required: bool) -> None:
    await grant(gateway, a_key())
    for path in ("/v1/models", "/v1/models/gpt-4", "/v1/streams/none"):
        assert ((await gateway.ask(get(path), "GET")).status == 401) is required
        assert (await gateway.ask(get(path, **SIGNED), "GET")).status in (200, 404)
    for path in ("/health", "/v1/health", "/ready", "/metrics", "/"):
        assert (await gateway.ask(get(path), "GET")).status == 200


async def test_our_own_agents_need_no_key(gateway: Running) -> None:
    assert (await gateway.ask(post(Authorization=f"Bearer {agents_token(SECRET)}"))).status == 200


async def test_a_key_is_accepted_on_while_the_control_plane_is_away(gateway: Running) -> None:
    """Invariant 8."""
    await grant(gateway, a_key())
    await gateway.control.stop()
    assert (await gateway.ask(post(**SIGNED))).status == 200


async def test_what_is_remembered_is_bounded(gateway: Running, required: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm.gateway.admission.MAX_REMEMBERED", 3)
    await grant(gateway, a_key())
    for n in range(10):
        await gateway.ask(post(Authorization=f"Bearer word-{n}"))
    assert (await gateway.ask(post(**SIGNED))).status == 200
    assert len(gateway.worker.gateway.admission._remembered) <= 3
