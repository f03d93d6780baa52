"""The two workflows that exist from the start. Seeding again changes nothing, also after they were edited."""

from typing import Any

from workflows.models import Workflow
from workflows.services.definitions import create_workflow

DOCUMENT_REVIEW: dict[str, Any] = {
    "id": "document_review",
    "name": "Document review",
    "description": "A document is written, reviewed, and approved, rejected or sent back for revision.",
    "places": ["draft", "review", "revision", "approved", "rejected", "published"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "name": "Submit for review", "fromPlaces": ["draft", "revision"], "toPlace": "review"},
        {"id": "approve", "name": "Approve", "fromPlaces": ["review"], "toPlace": "approved"},
        {"id": "reject", "name": "Reject", "fromPlaces": ["review"], "toPlace": "rejected"},
        {"id": "request_changes", "name": "Request changes", "fromPlaces": ["review"], "toPlace": "revision"},
        {"id": "revise", "name": "Revise", "fromPlaces": ["rejected", "approved"], "toPlace": "revision"},
        {"id": "publish", "name": "Publish", "fromPlaces": ["approved"], "toPlace": "published"},
    ],
}
SOFTWARE_DEPLOYMENT: dict[str, Any] = {
    "id": "software_deployment",
    "name": "Software deployment",
    "description": "A change is built, tested, staged and released, and can be rolled back.",
    "places": ["development", "testing", "staging", "production", "rolled_back"],
    "initialPlace": "development",
    "transitions": [
        {"id": "start_tests", "name": "Start tests", "fromPlaces": ["development"], "toPlace": "testing"},
        {"id": "tests_failed", "name": "Tests failed", "fromPlaces": ["testing"], "toPlace": "development"},
        {"id": "stage", "name": "Deploy to staging", "fromPlaces": ["testing"], "toPlace": "staging"},
        {"id": "return_to_development", "name": "Return", "fromPlaces": ["staging"], "toPlace": "development"},
        {"id": "release", "name": "Release to production", "fromPlaces": ["staging"], "toPlace": "production"},
        {"id": "rollback", "name": "Roll back", "fromPlaces": ["staging", "production"], "toPlace": "rolled_back"},
        {"id": "resume", "name": "Resume development", "fromPlaces": ["rolled_back"], "toPlace": "development"},
    ],
}


def seed_workflows() -> list[str]:
    """Make those that are missing; returns their ids."""
    made: list[str] = []
    for definition in (DOCUMENT_REVIEW, SOFTWARE_DEPLOYMENT):
        if not Workflow.objects.filter(pk=definition["id"]).exists():
            create_workflow(definition)
            made.append(definition["id"])
    return made
