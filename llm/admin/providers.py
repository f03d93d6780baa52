"""Providers, with their keys on the same page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from llm import services
from llm.admin.forms import ProviderForm, ProviderKeyForm
from llm.models import Provider, ProviderKey


class KeyInline(TabularInline):
    model = ProviderKey
    form = ProviderKeyForm
    fields = ("label", "shown", "secret", "weight", "enabled", "source")
    readonly_fields = ("shown", "source")
    extra = 0
    verbose_name = "API key"

    @admin.display(description="stored")
    def shown(self, key: ProviderKey) -> str:
        return str(key) if key.pk else "none"


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    form = ProviderForm
    inlines = [KeyInline]
    list_display = ("name", "provider_type", "base_url", "enabled", "is_configured", "keys_shown", "answers")
    list_filter = ("provider_type", "enabled", "source")
    search_fields = ("name", "slug", "base_url")
    readonly_fields = ("slug", "source", "edited", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "provider_type", "enabled")}),
        ("Where and how", {"fields": ("base_url", "auth", "dialect", "members", "on_hang_up", "api_version")}),
        ("About this row", {"fields": ("slug", "source", "edited", "created_at", "updated_at")}),
    )
    actions = ["enable", "disable", "discover"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        rows: QuerySet[Provider] = super().get_queryset(request).select_related("probe").prefetch_related("keys")
        return rows

    @display(description="configured", boolean=True)  # type: ignore[untyped-decorator]
    def is_configured(self, provider: Provider) -> bool:
        return provider.configured

    @admin.display(description="keys")
    def keys_shown(self, provider: Provider) -> str:
        return ", ".join(str(key) for key in provider.keys.all()) or "none"

    @admin.action(description="Enable selected providers")
    def enable(self, request: HttpRequest, rows: QuerySet[Provider]) -> None:
        self.message_user(request, f"{services.set_enabled(rows, True)} enabled.")

    @admin.action(description="Disable selected providers")
    def disable(self, request: HttpRequest, rows: QuerySet[Provider]) -> None:
        self.message_user(request, f"{services.set_enabled(rows, False)} disabled.")

    @admin.display(description="answers")
    def answers(self, provider: Provider) -> str:
        probe = getattr(provider, "probe", None)
        if probe is None or probe.checked_at is None:
            return "not asked yet"
        said = f"yes, {probe.listed} models, {probe.latency_ms:.0f} ms" if probe.ok else f"no: {probe.problem}"
        return f"{said} ({probe.checked_at:%H:%M:%S} UTC)"

    @admin.action(description="Ask selected providers for their models")
    def discover(self, request: HttpRequest, rows: QuerySet[Provider]) -> None:
        wanted = [row.slug for row in rows]
        found = services.discover(wanted)
        for slug in wanted:
            answer = found.get(slug)
            if answer is None:
                self.message_user(request, f"{slug}: not configured, so not asked.", messages.WARNING)
            elif answer.ok:
                self.message_user(request, f"{slug}: {answer.problem or f'{len(answer.models or ())} models'}.")
            else:
                self.message_user(request, f"{slug}: {answer.problem}.", messages.ERROR)

    @method_decorator(sensitive_post_parameters())
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The usual page, with what was posted kept out of error reports."""
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: Provider, form: ModelForm[Provider], change: bool) -> None:
        services.save_provider(obj, form.changed_data)

    def save_formset(
        self, request: HttpRequest, form: ModelForm[Provider], formset: BaseModelFormSet[Any, Any], change: bool
    ) -> None:
        formset.save(commit=False)
        services.delete_keys(key.pk for key in formset.deleted_objects)
        removed = set(formset.deleted_forms)
        for row in formset.forms:
            if row.has_changed() and row not in removed:
                services.save_key(row.instance, row.cleaned_data.get("secret"))
        # The admin's own log of what happened asks for this list.
        formset.save_m2m()

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        services.delete_providers([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        services.delete_providers(_keys(queryset))


def _keys(rows: Iterable[Provider]) -> list[int]:
    return [row.pk for row in rows]
