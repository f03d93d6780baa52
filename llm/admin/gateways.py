"""Gateway workers as they last reported. Read-only, but for removing the row of one that is no more."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from llm import services
from llm.models import GatewayState


@admin.register(GatewayState)
class GatewayStateAdmin(ModelAdmin):
    list_display = ("gateway", "connected", "seen_at", "requests", "errors", "in_flight", "journal_lag", "version")
    list_filter = ("connected",)
    search_fields = ("gateway",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: GatewayState | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: GatewayState) -> None:
        services.forget_gateways([obj.gateway])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[GatewayState]) -> None:
        services.forget_gateways([row.gateway for row in queryset])
