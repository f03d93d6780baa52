"""Reading what was spent: `cost_analytics` over the rollups, how budgets stand, what the admin filters by; and keys.

What was spent comes from DailyUsage, so the answer takes as long with ten million calls as with ten thousand. A day is
a UTC day; a call counts on the day it finished. Sums are integer nano-dollars. Next: `schema/`.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db.models import Q, QuerySet, Sum

from billing.core.budget import PERIODS, BudgetSettings, period_at
from billing.core.errors import BadInput
from billing.models import ApiKey, Budget, Call, DailyUsage, KeyVersion, LedgerEnd

TREND_DAYS = 30
"""How far back the trend goes when no start is given."""
MOST_DAYS = 3_660
"""The longest trend: ten years, one entry each day."""
SECONDS_PER_DAY = 86_400
PROMPT_COLUMNS = (
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "audio_input_tokens",
)
ANSWER_COLUMNS = ("output_tokens", "reasoning_tokens", "audio_output_tokens")


@dataclass(frozen=True)
class UsageFilter:
    """Whose spending, and from which to which day (both included). None: everyone's, everything."""

    user: str | None = None
    project: str | None = None
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class ProviderCost:
    provider: str
    cost_nano: int
    requests: int


@dataclass(frozen=True)
class ModelCost:
    model: str
    cost_nano: int
    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class DayCost:
    day: date
    cost_nano: int


@dataclass(frozen=True)
class BudgetStatus:
    """A budget in the period that runs now; start and end (excluded) are None for `total`."""

    id: str
    settings: BudgetSettings
    start: datetime | None
    end: datetime | None
    used_nano: int


@dataclass(frozen=True)
class CostAnalytics:
    """Costs in nano-dollars. Today, this month and the projection heed user and project, not the dates."""

    total: int
    today: int
    month: int
    projected_month: int
    providers: Sequence[ProviderCost]
    models: Sequence[ModelCost]
    trend: Sequence[DayCost]


def cost_analytics(wanted: UsageFilter, now: datetime) -> CostAnalytics:
    """The figures as of `now`. Raises BadInput for a period that ends before it starts or is too long."""
    today = now.astimezone(UTC).date()
    first, last = _trend_period(wanted, today)
    whose = _whose(wanted)
    rows = whose
    if wanted.start is not None:
        rows = rows.filter(day__gte=wanted.start)
    if wanted.end is not None:
        rows = rows.filter(day__lte=wanted.end)
    month = _sum(whose.filter(day__gte=today.replace(day=1), day__lte=today))
    return CostAnalytics(
        total=_sum(rows),
        today=_sum(whose.filter(day=today)),
        month=month,
        projected_month=project_month(month, now),
        providers=_by_provider(rows),
        models=_by_model(rows),
        trend=_trend(rows, first, last),
    )


def project_month(month_nano: int, now: datetime) -> int:
    """What the month comes to at the pace so far; its first day counts as a whole one, lest a minute be scaled up."""
    now = now.astimezone(UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    elapsed = max(int((now - start).total_seconds()), SECONDS_PER_DAY)
    whole = calendar.monthrange(now.year, now.month)[1] * SECONDS_PER_DAY
    return month_nano * whole // elapsed


def budget_status(user: str, project: str, period: str | None, now: datetime) -> BudgetStatus | None:
    """The budget of exactly this user and project; of several periods the one of which the greatest share is used."""
    rows = Budget.objects.filter(user=user, project=project)
    if period is not None:
        if period not in PERIODS:
            raise BadInput(f"period is {period[:40]!r}; it must be one of {', '.join(PERIODS)}.", {"field": "period"})
        rows = rows.filter(period=period)
    return max((status_of_budget(row, now) for row in rows), key=_share_used, default=None)


def status_of_budget(row: Budget, now: datetime) -> BudgetStatus:
    """What the ledger says of it. An hour is summed from its calls, any longer period from the rollups of its days."""
    settings = BudgetSettings(row.user, row.project, row.period, row.limit_nano, tuple(row.thresholds))
    bounds = period_at(row.period, now)
    whose = UsageFilter(user=row.user or None, project=row.project or None)
    if bounds is None:
        return BudgetStatus(str(row.pk), settings, None, None, _sum(_whose(whose)))
    start, end = bounds
    if row.period == "hourly":
        calls = Call.objects.order_by().filter(finished_at__gte=start, finished_at__lt=end)
        calls = calls.filter(**{name: given for name in ("user", "project") if (given := getattr(whose, name))})
        used = int(calls.aggregate(sum=Sum("cost_nano"))["sum"] or 0)
    else:
        used = _sum(_whose(whose).filter(day__gte=start.date(), day__lt=end.date()))
    return BudgetStatus(str(row.pk), settings, start, end, used)


def names_used(field: str) -> list[str]:
    """The providers, models, users or projects that have spent anything: choices for a filter, at most 500."""
    return list(
        DailyUsage.objects.exclude(**{field: ""}).order_by(field).values_list(field, flat=True).distinct()[:500]
    )


def ledger_end() -> int:
    """The position of the last call booked; 0 before the first."""
    return LedgerEnd.objects.values_list("position", flat=True).first() or 0


def calls_after(user: str | None, position: int, most: int) -> list[Call]:
    """At most so many calls booked after the position, of one user or of all, in the order of booking."""
    calls = Call.objects.filter(position__gt=position).order_by("position")
    return list((calls if user is None else calls.filter(user=user))[:most])


def tokens_read(call: Call) -> int:
    """From the provider's cache or not."""
    return sum(getattr(call, name) for name in PROMPT_COLUMNS)


def tokens_written(call: Call) -> int:
    """Hidden thinking included."""
    return sum(getattr(call, name) for name in ANSWER_COLUMNS)


def list_keys() -> QuerySet[ApiKey]:
    """All API keys, the youngest first."""
    return ApiKey.objects.all()


def valid_keys(now: datetime) -> QuerySet[ApiKey]:
    """Those that are neither revoked nor expired."""
    return ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None).order_by("pk")


def revoked_since(moment: datetime) -> tuple[str, ...]:
    """The hashes of the keys revoked since then."""
    return tuple(ApiKey.objects.filter(revoked_at__gte=moment).values_list("digest", flat=True))


def keys_version() -> int:
    """Grows with every change of a key; 0 when there never was one."""
    return KeyVersion.objects.values_list("number", flat=True).first() or 0


def _share_used(status: BudgetStatus) -> Fraction:
    """Of the limit; with nothing to spend, any is the most."""
    limit = status.settings.limit_nano
    return Fraction(status.used_nano, limit) if limit else Fraction(2**63)


def _trend_period(wanted: UsageFilter, today: date) -> tuple[date, date]:
    last = wanted.end or max(today, wanted.start or today)
    first = wanted.start or last - timedelta(days=min(TREND_DAYS - 1, last.toordinal() - 1))
    if last < first:
        raise BadInput(f"endDate {last} lies before startDate {first}.", {"field": "endDate"})
    if (last - first).days >= MOST_DAYS:
        raise BadInput(f"The period from {first} to {last} is longer than {MOST_DAYS} days.", {"field": "startDate"})
    return first, last


def _whose(wanted: UsageFilter) -> QuerySet[DailyUsage]:
    rows = DailyUsage.objects.order_by()
    if wanted.user is not None:
        rows = rows.filter(user=wanted.user)
    if wanted.project is not None:
        rows = rows.filter(project=wanted.project)
    return rows


def _sum(rows: QuerySet[DailyUsage]) -> int:
    return int(rows.aggregate(sum=Sum("cost_nano"))["sum"] or 0)


def _by_provider(rows: QuerySet[DailyUsage]) -> list[ProviderCost]:
    sums = rows.values("provider").annotate(cost=Sum("cost_nano"), calls=Sum("requests")).order_by("-cost", "provider")
    return [ProviderCost(row["provider"], int(row["cost"]), int(row["calls"])) for row in sums]


def _by_model(rows: QuerySet[DailyUsage]) -> list[ModelCost]:
    sums: Any = (
        rows.values("model")
        .annotate(
            cost=Sum("cost_nano"),
            calls=Sum("requests"),
            **{f"sum_{name}": Sum(name) for name in PROMPT_COLUMNS + ANSWER_COLUMNS},
        )
        .order_by("-cost", "model")
    )
    return [
        ModelCost(
            model=row["model"],
            cost_nano=int(row["cost"]),
            requests=int(row["calls"]),
            input_tokens=sum(int(row[f"sum_{name}"]) for name in PROMPT_COLUMNS),
            output_tokens=sum(int(row[f"sum_{name}"]) for name in ANSWER_COLUMNS),
        )
        for row in sums
    ]


def _trend(rows: QuerySet[DailyUsage], first: date, last: date) -> list[DayCost]:
    """One entry a day, also for days without spending."""
    sums = rows.filter(day__gte=first, day__lte=last).values("day").annotate(cost=Sum("cost_nano"))
    by_day = {row["day"]: int(row["cost"]) for row in sums}
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [DayCost(day, by_day.get(day, 0)) for day in days]
