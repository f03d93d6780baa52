"""The forms that make webhooks: the services' own checks, shown at the field they are about. Next: `webhooks.py`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from workflows import services
from workflows.core.errors import UnknownTransition, WorkflowError
from workflows.models import Firing, IncomingWebhook, WebhookSubscription

FIELDS = {"tokenField": "token_field"}
"""What the services call a field, and what these forms do."""


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="whsec_…, if the other side has one already; empty: one is made, and shown once.",
    )

    class Meta:
        fields: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.check()
            except WorkflowError as refusal:
                argument = str(refusal.details.get("argument"))
                field = "transition" if isinstance(refusal, UnknownTransition) else FIELDS.get(argument, argument)
                said = str(refusal).removeprefix(f"{argument}: ")
                self.add_error(field if field in self.fields else None, ValidationError(said, code=refusal.code))
        return given

    def check(self) -> None:
        """Raises WorkflowError."""
        raise NotImplementedError

    def make(self) -> tuple[Any, str]:
        """The webhook and its secret. Raises WorkflowError."""
        raise NotImplementedError


class IncomingWebhookForm(WebhookForm):
    class Meta:
        model: ClassVar[Any] = IncomingWebhook
        fields = ("name", "workflow", "transition", "signal", "token_field")

    def check(self) -> None:
        services.check_incoming_webhook(self._name(), self._workflow(), **self._how())

    def make(self) -> tuple[IncomingWebhook, str]:
        return services.add_incoming_webhook(self._name(), self._workflow(), **self._how())

    def _name(self) -> str:
        return str(self.cleaned_data["name"])

    def _workflow(self) -> str:
        return str(self.cleaned_data["workflow"].pk)

    def _how(self) -> Mapping[str, Any]:
        given = self.cleaned_data
        return {
            "transition": given["transition"],
            "signal": given["signal"],
            "token_field": given["token_field"],
            "secret": given["secret"] or None,
        }


class WebhookSubscriptionForm(WebhookForm):
    events = forms.MultipleChoiceField(
        required=False,
        choices=[(kind, kind) for kind in Firing.KINDS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Kinds of entries it is told of; none: all.",
    )

    class Meta:
        model: ClassVar[Any] = WebhookSubscription
        fields = ("name", "url", "workflow", "events", "private_address")

    def check(self) -> None:
        given = self._settings()
        del given["private_address"]
        services.check_webhook_subscription(**given)

    def make(self) -> tuple[WebhookSubscription, str]:
        given = self._settings()
        return services.add_webhook_subscription(given.pop("name"), given.pop("url"), **given)

    def _settings(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            "name": given["name"],
            "url": given["url"],
            "workflow_id": given["workflow"].pk if given["workflow"] else None,
            "events": given["events"],
            "private_address": given["private_address"],
            "secret": given["secret"] or None,
        }
