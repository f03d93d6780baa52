"""Does effects of kind "webhook": tells a subscriber of an entry of the log, signed by the Standard Webhooks
specification. The effect's id is the message's, so a subscriber that is told twice can see it.

After any answer but 2xx it is tried again, for some three hours; 410 Gone ends the subscription, as that says.
Next: `http_call.py`, `core/webhooks.py`.
"""

import json
import time
from contextlib import suppress

from workflows import selectors, services
from workflows.actions import http_call
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed, WorkflowError
from workflows.core.webhooks import signed_headers

KIND = "webhook"
SECONDS = 15.0
GONE = 410


def run(effect: EffectRun) -> EffectResult:
    """The handler; raises EffectFailed."""
    subscription = selectors.webhook_subscription(effect.reference)
    if subscription is None or not subscription.enabled:
        return EffectResult()  # nobody wants to know any more
    try:
        secret = services.open_secret(subscription.sealed)
    except WorkflowError as error:
        raise EffectFailed(str(error), retryable=True) from None
    body = json.dumps(effect.payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", "user-agent": "circuit-breaker"}
    headers |= signed_headers(secret, effect.id, time.time(), body)
    request = http_call.Request("POST", subscription.url, headers, body, SECONDS, subscription.private_address, 0)
    try:
        http_call.call(request)
    except http_call.NotPublic:
        raise
    except http_call.Refused as error:
        if error.status == GONE:
            with suppress(services.WebhookNotFound):  # removed while it was called: there is nothing left to switch off
                services.enable_webhook(effect.reference, False)
        raise EffectFailed(str(error), error.status != GONE, error.retry_after) from None
    except EffectFailed as error:
        raise EffectFailed(str(error), retryable=True) from None
    return EffectResult()
