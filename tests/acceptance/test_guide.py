"""Every code block of the users' guide, done with as `guide/plan.py` says: run as printed but for hosts and keys, checked, or
left out with a reason. The page of the docs says the same."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from graphql import DocumentNode, OperationDefinitionNode, parse, print_ast

from tests.acceptance.graphql_client import Subscription, graphql
from tests.acceptance.guide import plan
from tests.acceptance.running import ROOT, Running
from tests.services import need_program

HELLO = [{"role": "user", "content": "Hello!"}]
PRELUDE = """import os
os.environ["OPENAI_API_KEY"] = "not-needed"
OPENAI_KEY = ANTHROPIC_KEY = "not-needed"
import anthropic, openai
from openai import OpenAI
client = openai.OpenAI(base_url="http://localhost:3000/v1")
"""
"""What a reader has from the blocks before."""


def code_of(number: int) -> str:
    return plan.BLOCKS[number].code


def pointed_at(product: Running, code: str) -> str:
    """The code with the product's addresses in place of the printed ones."""
    ports = {"localhost:3000": product.gateway_url, "localhost:4000": product.control_url}
    for printed, url in ports.items():
        code = code.replace(printed, url.removeprefix("http://"))
    return code


def done(command: list[str], code: str, cwd: Path = ROOT, **environment: str) -> str:
    """What a program printed that was given the code and ended well."""
    ended = subprocess.run(
        [*command, code], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_each_block_has_one_plan_and_the_page_says_it() -> None:
    plans = [*plan.RUN, *plan.SETTINGS, *plan.CHECKED, *plan.NOT_RUN]
    assert sorted(plans) == sorted(plan.BLOCKS) == list(range(1, 63))
    assert plan.PAGE.read_text() == plan.page(), "write it anew: python -m tests.acceptance.guide.plan"


@pytest.mark.parametrize("number", plan.CURL)
def test_curl_runs_as_printed(product: Running, number: int) -> None:
    need_program("curl")
    printed = done(["bash", "-euc"], pointed_at(product, code_of(number)))
    assert '"error"' not in printed
    assert "[DONE]" in printed if '"stream": true' in code_of(number) else len(printed) > 100


@pytest.mark.parametrize("number", plan.PYTHON)
def test_python_runs_as_printed(product: Running, number: int) -> None:
    code = PRELUDE + code_of(number) + "\n" + plan.PYTHON[number]
    printed = done([sys.executable, "-c"], pointed_at(product, code))
    assert "error" not in printed.lower()


@pytest.mark.parametrize("number", plan.JAVASCRIPT)
def test_javascript_runs_as_printed(product: Running, javascript: Path, number: int) -> None:
    printed = done(["node", "guide_block.mjs"], pointed_at(product, code_of(number)), cwd=javascript)
    assert len(printed) > 20


@pytest.mark.parametrize("number", [number for number in plan.GRAPHQL if number != 18])
def test_operations_run_as_printed(product: Running, number: int) -> None:
    for operation in operations(parse(code_of(number))):
        assert graphql(product.control_url, print_ast(operation))


def test_subscriptions_run_as_printed(product: Running) -> None:
    """Followed by the ids that are printed: so the request gets that id, and a token is made in that workflow."""
    stream, events = operations(parse(code_of(18)))
    with Subscription(product.control_url, print_ast(stream)) as told:
        asked = {"model": "gpt-4", "messages": HELLO, "stream": True}
        url, headers = f"{product.gateway_url}/v1/chat/completions", {"x-request-id": "req-123"}
        httpx.post(url, json=asked, headers=headers, timeout=20).raise_for_status()
        first = told.wait(1)[0]
        assert set(first) == {"id", "content", "tokens", "cost", "timestamp"}
    with Subscription(product.control_url, print_ast(events)) as told:
        graphql(product.control_url, 'mutation { createToken(input: {workflowId: "document_review"}) { id } }')
        assert told.wait(1)[0]["workflowId"] == "document_review"


@pytest.mark.parametrize("number", plan.SETTINGS)
def test_settings_are_accepted(tmp_path: Path, number: int) -> None:
    block = plan.BLOCKS[number]
    kept = {"yaml": ("CONFIG_FILE", "production.yaml")}.get(block.language, ("ENV_FILE", "env"))
    file = tmp_path / kept[1]
    file.write_text(block.code)
    keys = {f"{name}_API_KEYS": "one,two" for name in ("OPENAI", "ANTHROPIC", "GOOGLE")}
    usual = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "ENV_FILE": str(tmp_path / "none")}
    # The file listens on every address and asks for no key, which the start refuses unless it is meant.
    more = keys | {"OPEN_TO_NETWORK": "true"} if block.language == "yaml" else {}
    environment = usual | more | {kept[0]: str(file)}
    show = "import circuit_breaker.settings as s; print(s.OPENAI_PORT, s.GRAPHQL_PORT, s.STORAGE_BACKEND)"
    ended = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout.split()) == (0, ["3000", "4000", "memory"]), ended.stderr


@pytest.fixture(scope="module")
def events_of(product: Running) -> Iterator[Any]:
    def ask(path: str, **more: Any) -> list[str]:
        asked = {"model": "claude-3-haiku", "messages": HELLO, "max_tokens": 50, "stream": True, **more}
        answer = httpx.post(f"{product.gateway_url}{path}", json=asked, timeout=20)
        assert answer.status_code == 200, answer.text
        return [line for line in answer.text.splitlines() if line]

    yield ask


def test_answers_have_every_member_shown(product: Running, events_of: Any) -> None:
    whole = httpx.post(f"{product.gateway_url}/v1/chat/completions", json={"model": "gpt-4", "messages": HELLO}).json()
    assert missing(json.loads(code_of(9)), whole) == []
    listed = httpx.get(f"{product.gateway_url}/v1/models").json()
    entry = next(each for each in listed["data"] if each["id"] == "gpt-4")
    assert missing(json.loads(code_of(13)), {**listed, "data": [entry]}) == []
    prices = ("cost_per_input_token", "cost_per_output_token", "context_window")
    assert [entry[name] for name in prices] == [json.loads(code_of(13))["data"][0][name] for name in prices]


@pytest.mark.parametrize("number", [11, 26])
def test_a_streams_events_have_every_member_shown(events_of: Any, number: int) -> None:
    shown = [json.loads(line[6:]) for line in code_of(number).splitlines() if line.startswith("data: {")]
    lines = events_of("/v1/chat/completions")
    assert lines[-1] == "data: [DONE]"
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert all(any(not missing(each, event) for event in told) for each in shown)


def test_the_messages_events_have_every_member_shown(events_of: Any) -> None:
    lines = events_of("/v1/messages")
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    for line in code_of(27).splitlines():
        if line.startswith("event: "):
            assert line in lines
        elif line:
            assert any(not missing(json.loads(line[6:]), event) for event in told), line


def missing(shown: Any, given: Any, path: str = "") -> list[str]:
    """The paths of members that are shown and not given; of a list, the first entries are compared."""
    if isinstance(shown, dict):
        if not isinstance(given, dict):
            return [path]
        return [gone for name, value in shown.items() for gone in
                (missing(value, given[name], f"{path}.{name}") if name in given else [f"{path}.{name}"])]  # fmt: skip
    if isinstance(shown, list) and shown:
        return missing(shown[0], given[0], f"{path}[0]") if given else [path]
    if path.endswith((".type", ".object", ".role")) and shown != given:
        return [f"{path} is {given!r}"]
    return []


def test_the_request_with_everything_is_answered(product: Running) -> None:
    asked = json.loads(code_of(22).replace("[...]", json.dumps(HELLO)))
    answer = httpx.post(f"{product.gateway_url}/v1/chat/completions", json=asked, timeout=20)
    assert answer.status_code == 200, answer.text


def test_the_schema_has_every_field_shown() -> None:
    exported = fields(parse((ROOT / "docs" / "schema.graphql").read_text()))
    for name, (kind, arguments) in fields(parse(code_of(16))).items():
        assert name in exported
        assert exported[name][0].rstrip("!") == kind.rstrip("!")
        assert {each: exported[name][1].get(each) for each in arguments} == arguments


def fields(document: DocumentNode) -> dict[str, tuple[str, dict[str, str]]]:
    """The type of each field of the three roots, and those of its arguments."""
    roots = [each for each in document.definitions if getattr(each, "name", None) and each.name.value in ROOTS]
    return {
        f"{root.name.value}.{field.name.value}": (
            print_ast(field.type),
            {argument.name.value: print_ast(argument.type) for argument in field.arguments},
        )
        for root in roots
        for field in root.fields
    }


ROOTS = ("Query", "Mutation", "Subscription")


def test_the_page_of_a_component_is_translated_and_its_subscription_runs(product: Running, javascript: Path) -> None:
    translated = done(["node", "guide_block.mjs", "--translate"], code_of(25), cwd=javascript)
    found = re.search(r"gql`(.*?)`", translated, re.S)
    assert found is not None
    asked = {"model": "gpt-4", "messages": HELLO, "stream": True}
    headers = {"x-request-id": "req-of-a-page"}
    httpx.post(f"{product.gateway_url}/v1/chat/completions", json=asked, headers=headers, timeout=20).raise_for_status()
    with Subscription(product.control_url, found[1], requestId="req-of-a-page") as told:
        assert told.wait(1)[0]["id"] == "req-of-a-page"


def test_the_figures_of_the_system_are_there(product: Running) -> None:
    names = [camel(name) for name in re.findall(r"pub (\w+):", code_of(45))]
    figures = graphql(product.control_url, f"{{ metrics {{ {' '.join(names)} }} }}".replace(
        "providerHealth", "providerHealth { provider isHealthy }").replace("costMetrics", "costMetrics { totalCost }"))  # fmt: skip
    assert set(figures["metrics"]) == set(names)


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def test_prometheus_finds_what_it_scrapes(product: Running) -> None:
    (scraped,) = yaml.safe_load(code_of(47))["scrape_configs"]
    (target,) = scraped["static_configs"][0]["targets"]
    answer = httpx.get(pointed_at(product, f"http://{target}{scraped['metrics_path']}"))
    assert (answer.status_code, answer.text[:6]) == (200, "# HELP")


def test_model_names_of_both_sides_are_answered(product: Running) -> None:
    for model in re.findall(r'model: "([^"]+)"', code_of(51)):
        asked = {"model": model, "messages": HELLO}
        answer = httpx.post(f"{product.gateway_url}/v1/chat/completions", json=asked, timeout=20)
        assert answer.status_code == 200, answer.text


def test_exports_are_taken_by_a_shell() -> None:
    assert shutil.which("bash")
    assert done(["bash", "-euc"], code_of(60) + 'echo "$OPENAI_API_KEY"') == "your_key\n"


def operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
