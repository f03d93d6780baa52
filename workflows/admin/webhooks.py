"""The pages of webhooks: to look, to switch on and off, to remove. They are made by `manage.py webhook`, which alone
tells the secret."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from workflows import services
from workflows.models import IncomingWebhook, WebhookSubscription


class WebhookAdmin(ModelAdmin):
    actions = ("switch_on", "switch_off")
    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields or ()

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self._switch(rows, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self._switch(rows, False)

    def _switch(self, rows: QuerySet[Any], enabled: bool) -> None:
        for row in rows:
            services.enable_webhook(str(row.pk), enabled)


@admin.register(IncomingWebhook)
class IncomingWebhookAdmin(WebhookAdmin):
    list_display = ("name", "path", "workflow", "transition", "signal", "enabled", "created_at")
    list_select_related = ("workflow",)
    fields = ("name", "path", "workflow", "transition", "signal", "token_field", "enabled", "created_at")

    @display(description="path")  # type: ignore[untyped-decorator]
    def path(self, hook: IncomingWebhook) -> str:
        return f"/hooks/{hook.pk}"


@admin.register(WebhookSubscription)
class WebhookSubscriptionAdmin(WebhookAdmin):
    list_display = ("name", "url", "workflow", "events", "enabled", "created_at")
    list_select_related = ("workflow",)
    fields = ("name", "url", "workflow", "events", "private_address", "enabled", "created_at")
