"""No object that holds a provider's key shows it when it is printed, logged or stands in a trace."""

import logging
import traceback
from typing import Any

import msgspec
import pytest

from llm.core.configuration import ProviderSettings
from llm.core.dialects import anthropic, google, ollama
from llm.core.dialects.counting import Counted
from llm.core.dialects.openai_chat import translator
from llm.core.dialects.registry import DIALECTS
from llm.core.errors import ProviderError
from llm.core.listing import list_request
from llm.core.operations import OPERATIONS, Attempt
from llm.core.provider_environment import read_environment
from llm.core.providers import PROVIDERS, provider_defaults
from llm.core.routing import Catalogue, choose
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot
from llm.core.uplink import SnapshotPush
from llm.gateway.gateway import Route
from llm.services.asking import Target

KEY = "sk-repr+/secret~0123456789-shown"
CHAT = OPERATIONS["/v1/chat/completions"] if "/v1/chat/completions" in OPERATIONS else next(iter(OPERATIONS.values()))
BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}'


def provider(dialect: str) -> Provider:
    return Provider("p", "custom", dialect, "http://p.test/v1", "native", (ProviderKey("1", KEY),))


def snapshot(dialect: str) -> Snapshot:
    return Snapshot(1, 0, (provider(dialect),), (Model("m", "p", "m"),))


def attempt(dialect: str) -> Attempt:
    request = CHAT.read(BODY)
    deployment = choose(CHAT, request, Catalogue(snapshot(dialect)))[0]
    return Attempt(CHAT, request, BODY, deployment, KEY, "1", 0)


def holders() -> dict[str, Any]:
    found: dict[str, Any] = {
        "ProviderKey": ProviderKey("1", KEY),
        "Provider": provider("openai"),
        "Snapshot": snapshot("openai"),
        "SnapshotPush": SnapshotPush(snapshot("openai")),
        "Catalogue": Catalogue(snapshot("openai")),
        "Route": Route(provider("openai"), ProviderKey("1", KEY)),
        "Target": Target("p", "custom", "http://p.test/v1", "bearer", (KEY,)),
        "ProviderSettings": ProviderSettings("custom", "P", "http://p.test/v1", KEY, ()),
    }
    for kind in ("openai", "anthropic", "google", "ollama", "azure"):
        found[f"ListRequest {kind}"] = list_request(kind, "http://p.test/v1", provider_defaults(kind).auth, KEY)
        found[f"Attempt {kind}"] = attempt(kind)
        found[f"deployment {kind}"] = attempt(kind).deployment
        found[f"stream {kind}"] = DIALECTS[kind].crossings[CHAT.name].stream(attempt(kind))
    for row in PROVIDERS:
        environ = {f"{prefix}_API_KEY": KEY for prefix in row.prefixes}
        found[f"environment of {row.name}"] = read_environment(row, environ)
    for name, dialect in (("anthropic", anthropic), ("google", google), ("ollama", ollama), ("openai", translator)):
        found[f"decoder {name}"] = dialect.stream("seed", "p", KEY)
    return found


HOLDERS = holders()


@pytest.mark.parametrize("name", HOLDERS)
def test_nothing_that_holds_a_key_prints_it(name: str) -> None:
    thing = HOLDERS[name]
    shown = [repr(thing), str(thing), f"{thing}", f"{[thing]}"]
    assert not [text for text in shown if KEY in text]


def test_a_trace_that_passes_through_an_attempt_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    def fail(given: Attempt) -> None:
        raise ProviderError(f"{given!r} failed")

    try:
        fail(attempt("anthropic"))
    except ProviderError as error:
        logging.getLogger("llm.gateway").exception("A call failed: %r", error)
        assert KEY not in "".join(traceback.format_exception(error))
    assert caplog.records
    assert KEY not in caplog.text


@pytest.mark.parametrize("dialect", ["openai", "azure", "anthropic", "google", "ollama"])
@pytest.mark.parametrize("operation", sorted({one.name for one in OPERATIONS.values()}))
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_no_member_of_an_error_repeats_it(dialect: str, operation: str, status: int) -> None:
    """Whatever member of its error a provider puts our key into, in whichever shape an error may have."""
    crossing = DIALECTS[dialect].crossings.get(operation)
    if crossing is None or isinstance(crossing, Counted):
        return
    members = dict.fromkeys(("message", "type", "code", "param", "status"), KEY)
    shapes = [{"error": members}, {"type": "error", "error": members}, {"error": KEY}, members, [{"error": members}]]
    shapes.append({"error": {**members, "code": 400, "details": [{"reason": KEY, "@type": KEY}]}})
    given = attempt(dialect)
    for shape in shapes:
        error = crossing.decode_error(given, status, msgspec.json.encode(shape))
        said = (error.message, error.kind, error.wire_code, error.param, repr(error), str(error))
        assert not [one for one in said if one and KEY in one], shape
