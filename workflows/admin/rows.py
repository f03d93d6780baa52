"""The lists of tokens, firings, effects and places' actions, to search and filter; a failed effect may run again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import display

from workflows import services
from workflows.admin.looking import LookOnly, LookOnlyAdmin, show_json
from workflows.core.errors import WorkflowError
from workflows.models import Firing, OutboxEffect, PlaceAction, Token, TokenChange

EFFECT_LABELS = {
    "done": "success",
    "failed": "danger",
    "running": "info",
    "waiting": "info",
    "pending": "warning",
    "orphaned": "warning",
}
RUNS_SHOWN = 100


class ChangeInline(LookOnly, TabularInline):
    model = TokenChange
    verbose_name_plural = "history"
    fields = ("when", "what", "from_place", "to_place", "produced_version")
    readonly_fields = fields
    ordering = ("firing_id",)
    extra = 0
    per_page = RUNS_SHOWN

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenChange]:
        found: QuerySet[TokenChange] = super().get_queryset(request)
        return found.select_related("firing").defer("data", "metadata")

    @display(description="when")  # type: ignore[untyped-decorator]
    def when(self, change: TokenChange) -> Any:
        return change.firing.at

    @display(description="what")  # type: ignore[untyped-decorator]
    def what(self, change: TokenChange) -> str:
        return change.firing.transition or change.firing.kind


@admin.register(Token)
class TokenAdmin(LookOnlyAdmin):
    list_display = ("id", "workflow", "place", "shown_state", "version", "updated_at")
    list_filter = ("state", "workflow", ("place", FieldTextFilter))
    list_filter_submit = True
    list_select_related = ("workflow",)
    search_fields = ("=place",)
    uuid_fields = ("id", "case_id")
    date_hierarchy = "created_at"
    fields = (
        *("id", "workflow", "case", "place", "state", "version"),
        *("shown_data", "shown_metadata", "created_at", "updated_at"),
    )
    readonly_fields = fields
    inlines = (ChangeInline,)

    @display(description="state", ordering="state", label={"live": "success", "consumed": "info"})  # type: ignore[untyped-decorator]
    def shown_state(self, token: Token) -> str:
        return token.state

    @display(description="data")  # type: ignore[untyped-decorator]
    def shown_data(self, token: Token) -> SafeString:
        return show_json(token.data)

    @display(description="metadata")  # type: ignore[untyped-decorator]
    def shown_metadata(self, token: Token) -> SafeString:
        return show_json(token.metadata)


@admin.register(Firing)
class FiringAdmin(LookOnlyAdmin):
    list_display = ("at", "workflow", "seq", "kind", "transition", "from_place", "to_place", "triggered_by")
    list_filter = ("kind", "workflow")
    list_select_related = ("workflow",)
    search_fields = ("=transition", "=triggered_by")
    uuid_fields = ("case_id", "token_id")
    date_hierarchy = "at"
    ordering = ("-id",)
    fields = (
        *("id", "at", "workflow", "case", "seq", "kind", "transition", "token", "from_place", "to_place"),
        *("shown_data", "triggered_by", "idempotency_key"),
    )
    readonly_fields = fields

    @display(description="data")  # type: ignore[untyped-decorator]
    def shown_data(self, firing: Firing) -> SafeString:
        return show_json(firing.data)


@admin.register(OutboxEffect)
class OutboxEffectAdmin(LookOnlyAdmin):
    list_display = ("created_at", "shown_state", "kind", "reference", "place", "attempt", "max_attempts", "shown_error")
    list_filter = ("state", "kind")
    search_fields = ("=reference", "=place")
    uuid_fields = ("id", "token_id", "case_id")
    ordering = ("-created_at",)
    date_hierarchy = "created_at"
    actions = ("run_again",)
    fields = (
        *("id", "state", "kind", "reference", "place", "case", "token", "attempt", "max_attempts"),
        *("available_at", "dispatched_at", "lease_until", "error", "shown_payload", "shown_result", "shown_late"),
        *("created_at", "finished_at"),
    )
    readonly_fields = fields

    @display(description="state", ordering="state", label=EFFECT_LABELS)  # type: ignore[untyped-decorator]
    def shown_state(self, effect: OutboxEffect) -> str:
        return effect.state

    @display(description="error")  # type: ignore[untyped-decorator]
    def shown_error(self, effect: OutboxEffect) -> str:
        return effect.error if len(effect.error) <= 100 else f"{effect.error[:97]}..."

    @display(description="payload")  # type: ignore[untyped-decorator]
    def shown_payload(self, effect: OutboxEffect) -> SafeString:
        return show_json(effect.payload)

    @display(description="result")  # type: ignore[untyped-decorator]
    def shown_result(self, effect: OutboxEffect) -> SafeString:
        return show_json(effect.result)

    @display(description="late results")  # type: ignore[untyped-decorator]
    def shown_late(self, effect: OutboxEffect) -> SafeString:
        return show_json(effect.late_results)

    @admin.action(description="Retry now", permissions=["retry"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[OutboxEffect]) -> None:
        """Failed and waiting effects run at once; running and finished ones are left alone."""
        ids = list(queryset.values_list("pk", flat=True))
        again = 0
        for pk in ids:
            try:
                again += services.retry_now(str(pk))
            except WorkflowError as error:  # archived or removed since the list was shown
                self.message_user(request, str(error), messages.ERROR)
        level = messages.SUCCESS if again == len(ids) else messages.WARNING
        self.message_user(request, f"{again} of {len(ids)} effects run again; the others run or are finished.", level)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.change_outboxeffect")


@admin.register(PlaceAction)
class PlaceActionAdmin(LookOnlyAdmin):
    list_display = ("place", "workflow", "kind", "reference", "enabled", "max_attempts")
    list_filter = ("kind", "enabled", "workflow")
    list_select_related = ("workflow",)
    search_fields = ("place", "reference")
