"""A case of `papers` that has finished, and the ways to look at what is there of it."""

import uuid
from typing import Any

from workflows import services
from workflows.models import Firing, OutboxEffect, Token, TokenChange


def finished_case(data: dict[str, Any] | None = None) -> Token:
    """Split, joined and at rest: two tokens, one of them consumed, four entries."""
    token = services.create_token("papers", data=data or {"title": "Ä", "parts": [1, {"x": None}]}, triggered_by="cron")
    services.fire(str(token.pk), "split", {"score": 9.5})
    return services.fire(str(token.pk), "join", idempotency_key="once")


def rows_left(case_id: uuid.UUID) -> tuple[int, ...]:
    return (
        Token.objects.filter(case=case_id).count(),
        Firing.objects.filter(case=case_id).count(),
        TokenChange.objects.filter(firing__case=case_id).count(),
        OutboxEffect.objects.filter(case=case_id).count(),
    )


SHOWN = """query Shown($case: String!, $token: String!) {
  case(id: $case) { id state version lastSeq createdAt finishedAt triggeredBy marking
    tokens { id place state data metadata version createdAt updatedAt historyCount
      history { timestamp eventType transition fromPlace toPlace data triggeredBy seq } }
    live: tokens(state: "live") { id }
    log { seq position eventType transition tokenId fromPlace toPlace data triggeredBy timestamp }
    second: log(after: 1, first: 1) { seq } }
  token(id: $token) { id place data history { seq transition toPlace } } }"""
