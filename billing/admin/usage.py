"""The ledger and the daily sums in the admin: to be searched and filtered, never changed.

Each list shows the totals of what the filters leave. Filters offer the names found in the daily sums, which are few,
rather than scanning the ledger for them.
"""

from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display

from billing import selectors
from billing.core.pricing import usd
from billing.models import Call, DailyUsage

MOST_KEYS = 500
OUTCOMES = (
    ("ok", "ok"),
    ("upstream_error", "provider failed"),
    ("cancelled", "client left"),
    ("cut", "cut off"),
    ("lost", "gateway died"),
)
OPERATIONS = ("chat completions", "completions", "embeddings", "responses", "messages", "content generation")
"""Those that use tokens, by their names (`llm/core/operations`)."""


class NameFilter(admin.SimpleListFilter):
    """Rows with one of the names used; subclasses say which column."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in selectors.names_used(self.parameter_name or "")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class ProviderFilter(NameFilter):
    title = parameter_name = "provider"


class ModelFilter(NameFilter):
    title = parameter_name = "model"


class UserFilter(NameFilter):
    title = parameter_name = "user"


class ProjectFilter(NameFilter):
    title = parameter_name = "project"


class KeyFilter(NameFilter):
    title, parameter_name = "API key", "api_key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(key.pk), str(key)) for key in selectors.list_keys()[:MOST_KEYS]]


class OperationFilter(NameFilter):
    title = parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in OPERATIONS]


class OutcomeFilter(NameFilter):
    title = parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(OUTCOMES)


class AttemptFilter(admin.SimpleListFilter):
    """A call's own row is its last attempt; each one before it has a row as well."""

    title, parameter_name = "attempt", "attempt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("last", "the call's own (last) attempt"), ("earlier", "attempts that another one followed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(call__isnull=value == "last") if value in ("last", "earlier") else queryset


class MomentFilter(RangeDateTimeFilter):
    """From and to, in UTC. A date without a time means the whole day; what is no moment filters nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._moment("from", time.min), self._moment("to", time.max)
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if last is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lte": last})
        return queryset

    def _moment(self, end: str, otherwise: time) -> datetime | None:
        day, clock = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") for part in (0, 1))
        try:
            at = time.fromisoformat(str(clock)) if clock else otherwise
            return datetime.combine(date.fromisoformat(str(day)), at, UTC) if day else None
        except ValueError:
            return None


class ReadOnlyAdmin(ModelAdmin):
    """A list with totals above it."""

    list_before_template = "admin/billing/totals.html"
    list_filter_submit = True
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        changelist = getattr(response, "context_data", {}).get("cl")
        if changelist is not None:
            response.context_data["totals"] = self.totals(changelist.queryset.order_by())  # type: ignore[attr-defined]
        return response

    def totals(self, rows: QuerySet[Any]) -> dict[str, Any]:
        """Calls, tokens and USD of the rows."""
        sums = rows.aggregate(
            **{f"sum_{name}": Sum(name) for name in selectors.PROMPT_COLUMNS + selectors.ANSWER_COLUMNS},
            cost=Sum("cost_nano"),
        )
        return {
            "calls": self.count(rows),
            "input_tokens": sum(sums[f"sum_{name}"] or 0 for name in selectors.PROMPT_COLUMNS),
            "output_tokens": sum(sums[f"sum_{name}"] or 0 for name in selectors.ANSWER_COLUMNS),
            "cost": f"{usd(int(sums['cost'] or 0)):.6f}",
        }

    def count(self, rows: QuerySet[Any]) -> int:
        return rows.count()

    @admin.display(description="USD", ordering="cost_nano")
    def cost(self, row: Call | DailyUsage) -> str:
        return f"{usd(row.cost_nano):.9f}"

    @admin.display(description="tokens in")
    def tokens_in(self, row: Call | DailyUsage) -> int:
        return sum(getattr(row, name) for name in selectors.PROMPT_COLUMNS)

    @admin.display(description="tokens out")
    def tokens_out(self, row: Call | DailyUsage) -> int:
        return sum(getattr(row, name) for name in selectors.ANSWER_COLUMNS)


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = (
        "finished_at",
        "provider",
        "model",
        "user",
        "operation",
        "outcome_shown",
        "status",
        "attempt",
        "tokens_in",
        "tokens_out",
        "cost",
        "priced",
    )
    list_filter = (
        ("finished_at", MomentFilter),
        ProviderFilter,
        ModelFilter,
        UserFilter,
        ProjectFilter,
        OperationFilter,
        OutcomeFilter,
        AttemptFilter,
        KeyFilter,
        "unpriced",
        "streamed",
    )
    search_fields = ("=request_id", "=origin", "=user", "=project", "=model", "=requested_model", "=api_key")
    search_help_text = "A whole request id, origin, user, project, model or id of an API key."

    @display(  # type: ignore[untyped-decorator]
        description="outcome",
        label={"ok": "success", "upstream_error": "danger", "cancelled": "warning", "cut": "danger", "lost": "danger"},
    )
    def outcome_shown(self, call: Call) -> str:
        return call.outcome

    @admin.display(description="attempt", ordering="attempts")
    def attempt(self, call: Call) -> str:
        return f"{call.attempts}" if call.call is None else f"{call.attempts}, another followed"

    def count(self, rows: QuerySet[Call]) -> int:
        """Calls, not their attempts."""
        return rows.filter(call__isnull=True).count()

    @display(description="priced", boolean=True)  # type: ignore[untyped-decorator]
    def priced(self, call: Call) -> bool:
        return not call.unpriced


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnlyAdmin):
    list_display = (
        *("day", "provider", "model", "user", "project", "requests", "attempts", "failures"),
        *("tokens_in", "tokens_out", "cost"),
    )
    list_filter = (("day", RangeDateFilter), ProviderFilter, ModelFilter, UserFilter, ProjectFilter)
    search_fields = ("=user", "=project", "=model", "=provider")
    search_help_text = "A whole user, project, model or provider."

    def count(self, rows: QuerySet[DailyUsage]) -> int:
        return int(rows.aggregate(sum=Sum("requests"))["sum"] or 0)
