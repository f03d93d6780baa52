"""API keys of clients: made here (the key is shown once, on the page after saving), edited, revoked, never deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from billing import services
from billing.core.errors import BadInput
from billing.core.keys import SCOPES, ApiKeySettings, Limits, check_settings
from billing.models import ApiKey

LIMITS = ("requests_per_minute", "tokens_per_minute", "burst", "concurrent_requests")
FIELDS = {
    "requestsPerMinute": "requests_per_minute",
    "tokensPerMinute": "tokens_per_minute",
    "concurrentRequests": "concurrent_requests",
    "expiresAt": "expires_at",
    "models": "allowed_models",
}
"""What `core/keys.py` calls a field, and what this form does."""


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES], initial=["chat"], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    allowed_models = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="The only ones it may use, with commas; empty: all.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "user", "project", "scopes", "allowed_models", "expires_at", "show_cost", *LIMITS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["allowed_models"] = ", ".join(self.instance.allowed_models)

    def clean_allowed_models(self) -> list[str]:
        return [word.strip() for word in self.cleaned_data["allowed_models"].split(",") if word.strip()]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                kept = self.instance.pk and "expires_at" not in self.changed_data
                check_settings(self.settings(with_expiry=not kept), timezone.now())
            except BadInput as refusal:
                field = str((refusal.details or {}).get("field"))
                self.add_error(FIELDS.get(field, field), ValidationError(str(refusal), code=refusal.code))
        return given

    def settings(self, *, with_expiry: bool = True) -> ApiKeySettings:
        given = self.cleaned_data
        return ApiKeySettings(
            given["name"],
            given["user"],
            given["project"],
            tuple(given["scopes"]),
            tuple(given["allowed_models"]),
            given["expires_at"] if with_expiry else None,
            Limits(*(given[name] for name in LIMITS)),
            given["show_cost"],
        )


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    list_display = ("name", "hint", "state", "user", "project", "scopes_shown", "last_used_at", "expires_at")
    list_filter = ("revoked_at",)
    search_fields = ("name", "hint", "=user", "=project")
    readonly_fields = ("hint", "created_at", "revoked_at", "last_used_at")
    fieldsets = (
        (None, {"fields": ("name", "user", "project", "scopes", "allowed_models", "expires_at", "show_cost")}),
        ("Limits, over all gateways together", {"fields": LIMITS}),
        ("About this key", {"fields": ("hint", "created_at", "revoked_at", "last_used_at")}),
    )
    actions = ["revoke"]

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Never: the ledger names keys. They are revoked instead."""
        return False

    @display(  # type: ignore[untyped-decorator]
        description="state", label={"valid": "success", "expired": "warning", "revoked": "danger"}
    )
    def state(self, key: ApiKey) -> str:
        return "revoked" if key.revoked_at else "expired" if key.expired(timezone.now()) else "valid"

    @admin.display(description="scopes")
    def scopes_shown(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.action(description="Revoke selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        for row in rows:
            services.revoke_key(str(row.pk))
        self.message_user(request, "Revoked; gateways refuse them within a second.")

    def save_form(self, request: HttpRequest, form: ApiKeyForm, change: bool) -> ApiKey:
        """The row is made by the service, whole: see `save_model`."""
        row: ApiKey = form.save(commit=False)
        if change:
            row.refresh_from_db()
        return row

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        if change:
            services.edit_key(obj, form.settings())
            return
        made, key = services.create_key(form.settings())
        obj.__dict__.update(made.__dict__)
        obj.secret = key  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that shows the key: no redirect, so that it is stored nowhere, not even in a cookie."""
        context = {**self.admin_site.each_context(request), "title": "API key made", "key": obj, "opts": self.opts}
        response = TemplateResponse(request, "admin/billing/key_made.html", context)
        response["Cache-Control"] = "no-store"
        return response
