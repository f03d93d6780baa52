"""Makes webhooks and takes their messages. A secret is told once, when it is made; the database holds it sealed.

A message is taken once: its receipt and what it does are one transaction, so one that is refused leaves no receipt and
may be sent again. Next: `core/webhooks.py` for signatures, `webhook_events.py` for what goes out.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from billing.core import sealing
from workflows import selectors
from workflows.core.errors import BadInput, WorkflowError
from workflows.core.payload import checked_object, checked_text
from workflows.core.webhooks import SECRET_BYTES, check_url, is_secret, new_secret, verify
from workflows.models import Firing, IncomingWebhook, WebhookReceipt, WebhookSubscription
from workflows.services.firing import create_token, fire
from workflows.services.signals import signal

PURPOSE = "circuit-breaker webhooks v1"
NAME_LENGTH = 100
RECEIPTS_KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 500
MOST_BYTES = 1_000_000
TOKEN_FIELD = "tokenId"  # noqa: S105 - a field of the message's body


class WebhookNotFound(WorkflowError):
    code = "WEBHOOK_NOT_FOUND"


class BadMessage(WorkflowError):
    """The body is no JSON object that could be kept."""

    code = "BAD_INPUT"


class SecretUnreadable(WorkflowError):
    """SECRET_KEY is another one than when the webhook was made."""

    code = "SECRET_UNREADABLE"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message."""

    token_id: str | None
    """The token that was made or moved; None for a signal."""
    duplicate: bool
    moved: int
    """Tokens it made or moved, when it was first taken."""


def add_incoming_webhook(
    name: str,
    workflow_id: str,
    *,
    transition: str = "",
    signal: str = "",
    token_field: str = TOKEN_FIELD,
    secret: str | None = None,
) -> tuple[IncomingWebhook, str]:
    """An address that opens cases of a workflow, fires its transition or sends its cases a signal; and its secret.

    Raises BadInput, WorkflowNotFound, UnknownTransition.
    """
    check_incoming_webhook(name, workflow_id, transition, signal, token_field, secret)
    secret = secret or new_secret(os.urandom(SECRET_BYTES))
    row = IncomingWebhook(
        name=name,
        workflow_id=workflow_id,
        transition=transition,
        signal=signal,
        token_field=token_field,
        sealed=sealing.seal(secret, settings.SECRET_KEY, PURPOSE),
        created_at=timezone.now(),
    )
    _insert(row)
    return row, secret


def check_incoming_webhook(
    name: str, workflow_id: str, transition: str, signal: str, token_field: str, secret: str | None
) -> None:
    """Raises what `add_incoming_webhook` does, and makes nothing: for forms."""
    _check_name(name, IncomingWebhook)
    checked_text(token_field, "tokenField")
    if signal:
        checked_text(signal, "signal")
    if signal and transition:
        raise BadInput("signal", "a message is either a signal or fires a transition")
    _check_secret(secret)
    workflow = selectors.existing_workflow(workflow_id)
    if transition:
        assert workflow.current is not None
        selectors.known_transition(selectors.net_of(workflow.current), workflow_id, transition)


def add_webhook_subscription(
    name: str,
    url: str,
    *,
    workflow_id: str | None = None,
    events: Sequence[str] = (),
    private_address: bool = False,
    secret: str | None = None,
) -> tuple[WebhookSubscription, str]:
    """From now on the address is told of these kinds of entries; with its secret. Raises BadInput, WorkflowNotFound."""
    check_webhook_subscription(name, url, workflow_id, events, secret)
    secret = secret or new_secret(os.urandom(SECRET_BYTES))
    row = WebhookSubscription(
        name=name,
        url=url,
        workflow_id=workflow_id,
        events=list(events),
        sealed=sealing.seal(secret, settings.SECRET_KEY, PURPOSE),
        private_address=private_address,
        after=selectors.log_end(0)[0],
        created_at=timezone.now(),
    )
    _insert(row)
    return row, secret


def check_webhook_subscription(
    name: str, url: str, workflow_id: str | None, events: Sequence[str], secret: str | None
) -> None:
    """Raises what `add_webhook_subscription` does, and makes nothing: for forms."""
    _check_name(name, WebhookSubscription)
    check_url(url)
    check_events(events)
    _check_secret(secret)
    if workflow_id is not None:
        selectors.existing_workflow(workflow_id)


def remove_webhook(name: str) -> None:
    """Forget the webhook of this name, in or out. Raises WebhookNotFound."""
    for model in (IncomingWebhook, WebhookSubscription):
        if model._default_manager.filter(name=name).delete()[0]:
            return
    raise _not_found(name)


def enable_webhook(webhook_id: str, enabled: bool) -> None:
    """Switch a webhook on or off; what happens while an outgoing one is off it is never told of.

    Raises WebhookNotFound (also for what is no UUID).
    """
    try:
        wanted = uuid.UUID(webhook_id)
    except ValueError:
        raise _not_found(webhook_id) from None
    if IncomingWebhook.objects.filter(pk=wanted).update(enabled=enabled):
        return
    outgoing = WebhookSubscription.objects.filter(pk=wanted)
    switched = outgoing.filter(enabled=not enabled).update(enabled=enabled, after=selectors.log_end(0)[0])
    if not switched and not outgoing.exists():
        raise _not_found(webhook_id)


def take_message(webhook_id: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Taken:
    """Check a message that came to an incoming webhook, and do what it is for; `headers` by lower-case name.

    Raises WebhookNotFound, BadSignature, BadMessage, BadInput, and what `create_token` and `fire` raise.
    """
    hook = _existing(webhook_id)
    message_id = verify(open_secret(hook.sealed), headers, body, now.timestamp())
    given = _body(body)
    if hook.signal:
        return _signalled(hook, message_id, given, now)
    with transaction.atomic():
        receipt, new = WebhookReceipt.objects.get_or_create(
            webhook=hook, message_id=message_id, defaults={"received_at": now}
        )
        if new:
            if hook.transition:
                token = fire(_named_token(given, hook), hook.transition, given, triggered_by=f"webhook:{hook.name}")
            else:
                token = create_token(hook.workflow_id, data=given, triggered_by=f"webhook:{hook.name}")
            receipt.token_id = token.pk
            receipt.save(update_fields=["token_id"])
    return Taken(str(receipt.token_id) if receipt.token_id else None, duplicate=not new, moved=int(new))


def _signalled(hook: IncomingWebhook, message_id: str, given: dict[str, Any], now: datetime) -> Taken:
    """A transaction for each case, so the receipt comes last: a message that broke off half-way may come again, and its
    key keeps those who heard it from hearing it twice."""
    if WebhookReceipt.objects.filter(webhook=hook, message_id=message_id).exists():
        return Taken(None, duplicate=True, moved=0)
    moved = signal(
        hook.signal,
        workflow_id=hook.workflow_id,
        correlation=given,
        data=given,
        idempotency_key=sha256(f"{hook.pk}:{message_id}".encode()).hexdigest(),
        triggered_by=f"webhook:{hook.name}",
    )
    WebhookReceipt.objects.get_or_create(webhook=hook, message_id=message_id, defaults={"received_at": now})
    return Taken(None, duplicate=False, moved=len(moved))


def forget_receipts(now: datetime) -> int:
    """Drop receipts of messages that nobody sends again, some at a time."""
    old = WebhookReceipt.objects.filter(received_at__lt=now - RECEIPTS_KEPT).values_list("pk", flat=True)
    ids = list(old[:FORGOTTEN_AT_ONCE])
    return WebhookReceipt.objects.filter(pk__in=ids).delete()[0] if ids else 0


def open_secret(sealed: str) -> str:
    """Raises SecretUnreadable."""
    older = [str(key) for key in settings.SECRET_KEY_FALLBACKS]
    try:
        return sealing.unseal(sealed, settings.SECRET_KEY, PURPOSE, older)
    except sealing.Unreadable:
        raise SecretUnreadable(
            "The webhook's secret was stored under another SECRET_KEY: make the webhook anew, or list the old one in "
            "SECRET_KEY_FALLBACKS."
        ) from None


def check_events(events: Sequence[str]) -> None:
    """Raises BadInput."""
    for event in events:
        if event not in Firing.KINDS:
            raise BadInput("events", f"{str(event)[:50]!r} is not known; known: {', '.join(Firing.KINDS)}")


def _not_found(webhook: str) -> WebhookNotFound:
    return WebhookNotFound(f"There is no webhook {webhook[:200]!r}.", webhook=webhook[:200])


def _check_name(name: str, model: type[Model]) -> None:
    checked_text(name, "name", NAME_LENGTH)
    if model._default_manager.filter(name=name).exists():
        raise _taken(name, model)


def _check_secret(given: str | None) -> None:
    if given is not None and not is_secret(given):
        raise BadInput("secret", "must be whsec_ and the base64 of 24 to 64 bytes")


def _insert(row: Model) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # another was made under this name since it was checked
        raise _taken(str(row), type(row)) from None


def _taken(name: str, model: type[Model]) -> BadInput:
    return BadInput("name", f"there is an {model._meta.verbose_name} {name!r} already")


def _existing(webhook_id: str) -> IncomingWebhook:
    try:
        return IncomingWebhook.objects.get(pk=uuid.UUID(webhook_id), enabled=True)
    except (ValueError, IncomingWebhook.DoesNotExist):
        raise WebhookNotFound("There is no such webhook.") from None


def _body(body: bytes) -> dict[str, Any]:
    try:
        return checked_object(json.loads(body), "body")
    except BadInput as error:
        raise BadMessage(str(error)) from None
    except (ValueError, RecursionError):
        raise BadMessage("body: must be a JSON object") from None


def _named_token(given: Mapping[str, Any], hook: IncomingWebhook) -> str:
    """The id of the token that the body names; its token belongs to the webhook's workflow."""
    found: Any = given
    for part in hook.token_field.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        raise BadInput(hook.token_field, "must be the id of a token")
    if selectors.existing_token(found).workflow_id != hook.workflow_id:
        raise BadInput(hook.token_field, "is a token of another workflow")
    return found
