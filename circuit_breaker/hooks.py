"""`POST /hooks/<id>`: where others' signed messages come in. What a message does, `workflows.services` knows.

A message that was taken before is answered 200 like the first time. Answers: 200 taken, 400 no JSON object, 401
signature, 404 no such webhook, 409 the workflow cannot take it now (send it later), 413 too large, 422 it never will.
"""

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from workflows import services
from workflows.core.errors import NotEnabled, TokenConflict, WorkflowError
from workflows.core.webhooks import HEADERS, BadSignature
from workflows.services.webhooks import MOST_BYTES, BadMessage, SecretUnreadable

logger = logging.getLogger(__name__)


@csrf_exempt  # the signature says who sends it; a browser's cookies mean nothing here
@require_POST
def take(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """One message."""
    try:
        if len(request.body) > MOST_BYTES:
            raise RequestDataTooBig
        headers = {name: request.headers.get(name, "") for name in HEADERS}
        taken = services.take_message(webhook_id, headers, request.body, timezone.now())
    except RequestDataTooBig:
        return _said(413, "PAYLOAD_TOO_LARGE", f"A message has at most {MOST_BYTES} bytes.")
    except WorkflowError as error:
        status = _status(error)
        if status == 500:
            logger.error("Webhook %s: %s", webhook_id, error)
        return _said(status, error.code, str(error))
    return JsonResponse({"tokenId": taken.token_id, "moved": taken.moved, "duplicate": taken.duplicate})


def _status(error: WorkflowError) -> int:
    if isinstance(error, services.WebhookNotFound):
        return 404
    if isinstance(error, BadSignature):
        return 401
    if isinstance(error, SecretUnreadable):
        return 500
    if isinstance(error, NotEnabled | TokenConflict):
        return 409
    return 400 if isinstance(error, BadMessage) else 422


def _said(status: int, code: str, message: str) -> HttpResponse:
    return JsonResponse({"error": {"code": code, "message": message}}, status=status)
