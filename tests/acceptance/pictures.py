"""Makes the README's pictures from the running product: `make picture`. Writes docs/images/{admin,case,graphiql}.png."""

from pathlib import Path

import httpx

from tests.acceptance.browser import ROOT, create_superuser, log_in, open_page
from tests.acceptance.graphql_client import graphql
from tests.acceptance.review import TOKEN, place_reviewer, send_for_review, wait_for
from tests.acceptance.running import Running

IMAGES = ROOT / "docs" / "images"
QUERY = """{
  costAnalytics { totalCost modelBreakdown { model requests cost } }
  tokens(workflowId: "document_review") {
    place
    data
    history { transition fromPlace toPlace }
  }
}"""
CASES = '{ cases(workflowId: "document_review", first: 1) { id } }'
MODELS = ["gpt-4", "gpt-4o", "claude-3-haiku", "claude-3-sonnet", "gemini-pro", "gpt-3.5-turbo"]


def fill(product: Running) -> None:
    """Something to see: calls to several models and a few reviewed documents."""
    place_reviewer(product.control_url)
    for number in range(24):
        body = {"model": MODELS[number % 6], "messages": [{"role": "user", "content": f"Explain the number {number}."}]}
        httpx.post(f"{product.gateway_url}/v1/chat/completions", json=body).raise_for_status()
    for title in ("Release on Friday.", "Move the offices.", "Hire two people."):
        token = send_for_review(product.control_url, title)
        wait_for(
            lambda token=token: graphql(product.control_url, TOKEN, id=token),  # type: ignore[misc]
            lambda seen: seen["token"]["place"] == "approved",
        )


def take(product: Running, images: Path) -> None:
    name, password = create_superuser(product)
    images.mkdir(parents=True, exist_ok=True)
    with open_page(1400, 860) as page:
        log_in(page, product, name, password)
        page.goto(f"{product.control_url}/admin/billing/call/")
        page.screenshot(path=images / "admin.png")
        case = graphql(product.control_url, CASES)["cases"][0]["id"]
        page.goto(f"{product.control_url}/admin/workflows/case/{case}/change/")
        page.wait_for_selector("svg.cb-net")
        page.screenshot(path=images / "case.png")
        page.goto(f"{product.control_url}/")
        page.wait_for_selector(".graphiql-container")
        page.locator(".graphiql-query-editor .CodeMirror").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(QUERY)
        page.wait_for_timeout(500)  # GraphiQL takes the new text in after a pause in typing
        page.click("button.graphiql-execute-button")
        page.wait_for_selector(".result-window :text('totalCost')")
        page.screenshot(path=images / "graphiql.png")


if __name__ == "__main__":
    with Running(storage="memory") as running:
        fill(running)
        take(running, IMAGES)
