"""The pages of webhooks: to make, to look, to switch on and off, to remove. The secret is on the page after making one,
and nowhere else. What a webhook is for does not change: make another. Next: `webhook_forms.py`.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from workflows import services
from workflows.admin.webhook_forms import IncomingWebhookForm, WebhookForm, WebhookSubscriptionForm
from workflows.core.errors import BadInput
from workflows.models import IncomingWebhook, WebhookSubscription


class WebhookAdmin(ModelAdmin):
    actions = ("switch_on", "switch_off")
    search_fields = ("name",)
    list_select_related = ("workflow",)
    add_form: type[WebhookForm]

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({"form": self.add_form} if obj is None else {}), **kwargs)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return (*self.add_form.Meta.fields, "secret") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else self.fields

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
            return answer
        except BadInput as refusal:  # what the form found free was taken before it was saved
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The row is made by the service, whole: see `save_model`. There is nothing to change in one that is there."""
        return form.instance if change else form.save(commit=False)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            return
        made, secret = form.make()
        obj.__dict__.update(made.__dict__)
        obj.secret = secret

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that shows the secret: no redirect, so that it is stored nowhere, not even in a cookie."""
        title = f"{self.opts.verbose_name} made".capitalize()
        context = {**self.admin_site.each_context(request), "title": title, "webhook": obj, "opts": self.opts}
        response = TemplateResponse(request, "admin/workflows/webhook_made.html", context)
        response["Cache-Control"] = "no-store"
        return response

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
    add_form = IncomingWebhookForm
    list_display = ("name", "path", "workflow", "transition", "signal", "enabled", "created_at")
    fields = ("name", "path", "workflow", "transition", "signal", "token_field", "enabled", "created_at")

    @display(description="path")  # type: ignore[untyped-decorator]
    def path(self, hook: IncomingWebhook) -> str:
        return f"/hooks/{hook.pk}"


@admin.register(WebhookSubscription)
class WebhookSubscriptionAdmin(WebhookAdmin):
    add_form = WebhookSubscriptionForm
    list_display = ("name", "url", "workflow", "events", "enabled", "created_at")
    fields = ("name", "url", "workflow", "events", "private_address", "enabled", "created_at")
