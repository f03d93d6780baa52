"""The product in a real browser, without internet: GraphiQL runs an operation, an admin edit reaches the gateway."""

import time

import httpx
import pytest

from tests.acceptance.browser import chromium, create_superuser, log_in, open_page
from tests.acceptance.graphql_client import graphql
from tests.acceptance.running import Running
from tests.services import need


@pytest.fixture(autouse=True)
def _browser() -> None:
    need(chromium() is not None, "no Chromium is installed")


def price_of(product: Running, model: str) -> float:
    return float(httpx.get(f"{product.gateway_url}/v1/models/{model}").json()["cost_per_input_token"])


def test_graphiql_loads_offline_and_runs_a_query(product: Running) -> None:
    with open_page() as page:
        page.goto(f"{product.control_url}/")
        page.wait_for_selector(".graphiql-container")
        page.locator(".graphiql-query-editor .CodeMirror").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("{ workflows { id name } }")
        page.wait_for_timeout(500)  # GraphiQL takes the new operation's name in after a pause in typing
        page.click("button.graphiql-execute-button")
        page.wait_for_selector(".result-window :text('document_review')")


def test_an_admin_edit_reaches_the_gateway_within_a_second(product: Running) -> None:
    name, password = create_superuser(product)
    assert price_of(product, "gpt-4-turbo") != 0.000123
    with open_page() as page:
        log_in(page, product, name, password)
        page.goto(f"{product.control_url}/admin/llm/model/?q=gpt-4-turbo")
        page.click("#result_list tbody a[href*=change]")
        page.fill("input[name=input_usd]", "123")
        page.click("button[name=_save]")
        page.wait_for_url("**/admin/llm/model/**")
    deadline = time.monotonic() + 1
    while price_of(product, "gpt-4-turbo") != 0.000123:
        assert time.monotonic() < deadline, "the gateway still has the old price after a second"
        time.sleep(0.02)


CREATE = (
    """mutation { one: createToken(input: {workflowId: "document_review", data: {title: "Plan"}}) { id caseId } }"""
)
PLACE = "query Place($id: String!) { token(id: $id) { place data } }"
FIRE = """mutation Fire($id: String!) { fireTransition(input: {tokenId: $id, transitionId: "approve"}) { id } }"""


def test_a_case_is_watched_and_moved_on_its_page(product: Running) -> None:
    name, password = create_superuser(product, name="mover")
    token = graphql(product.control_url, CREATE)["one"]
    with open_page() as page:
        log_in(page, product, name, password)
        page.goto(f"{product.control_url}/admin/workflows/workflow/document_review/change/")
        page.wait_for_selector("svg.cb-net text:has-text('Submit for review')")
        page.goto(f"{product.control_url}/admin/workflows/case/{token['caseId']}/change/")
        form = page.locator("form.cb-fire", has_text="Submit for review")
        form.locator("summary").click()
        form.locator("textarea").fill('{"length": 3}')
        form.locator("button").click()
        page.wait_for_selector(":text('submit has fired.')")
        moved = graphql(product.control_url, PLACE, id=token["id"])["token"]
        assert (moved["place"], moved["data"]["length"]) == ("review", 3)
        assert "1 in review" in (page.locator("svg.cb-net title").first.text_content() or "")
        graphql(product.control_url, FIRE, id=token["id"])  # by someone else: the open page shows it by itself
        page.wait_for_selector("form.cb-fire :text('Publish')", timeout=10_000)
        assert "1 in approved" in (page.locator("svg.cb-net title").first.text_content() or "")


def test_every_admin_page_opens(product: Running) -> None:
    name, password = create_superuser(product, name="reader")
    with open_page() as page:
        log_in(page, product, name, password)
        links = page.eval_on_selector_all("a[href^='/admin/']", "links => links.map(link => link.getAttribute('href'))")
        lists = sorted(
            {link for link in links if link.count("/") == 4 and "password" not in link and "logout" not in link}
        )
        assert {
            "/admin/llm/provider/",
            "/admin/llm/model/",
            "/admin/workflows/workflow/",
            "/admin/agents/agent/",
        } <= set(lists)
        for link in lists:
            answer = page.goto(product.control_url + link)
            assert answer is not None and answer.status == 200, link
