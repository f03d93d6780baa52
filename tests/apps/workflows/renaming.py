"""A version of `papers` with another name for a place, and a token that is in it."""

from typing import Any

from workflows import services
from workflows.models import Token

RENAMED: dict[str, Any] = {
    "name": "Papers, faster",
    "places": ["draft", "reading", "legal", "ready", "approved"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "reading"},
        {"id": "approve", "fromPlaces": ["reading"], "toPlace": "approved"},
        {"id": "join", "inputs": [{"place": "reading"}, {"place": "legal"}], "outputs": [{"place": "ready"}]},
    ],
}
"""`review` is called `reading`; without it, `legal` cannot be left alone."""


def migrate(**asked: Any) -> dict[str, services.CaseMigration]:
    page = services.migrate_cases("papers", asked.pop("to", 2), asked.pop("mapping", {"review": "reading"}), **asked)
    return {each.case_id: each for each in page.cases}


def in_review() -> Token:
    token = services.create_token("papers", data={"title": "A"})
    return services.fire(str(token.pk), "submit")
