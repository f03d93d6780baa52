"""Budgets: what may be set, when a period began, and what a used amount means. No clock and no database.

A period is one of UTC: an hour, a day, a week from Monday, a month, or everything ever. Money is integer nano-dollars.
Next: `../services/budgets.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from billing.core.errors import BadInput
from billing.core.pricing import NANO, usd

PERIODS = ("hourly", "daily", "weekly", "monthly", "total")
MOST_USD = 1_000_000_000
MOST_PERCENT = 1_000
MOST_THRESHOLDS = 20
MOST_NAME = 256


@dataclass(frozen=True)
class BudgetSettings:
    """Whose calls count (empty: anybody's), and how much they may come to in each period."""

    user: str
    project: str
    period: str
    limit_nano: int
    thresholds: tuple[float, ...]
    """Percent of the limit, ascending."""


@dataclass(frozen=True)
class Alert:
    threshold: float
    triggered: bool
    message: str


def check_budget(
    user: str | None, project: str | None, period: str, limit_usd: float, thresholds: list[float]
) -> BudgetSettings:
    """The settings as they are kept: the limit to the nano-dollar, thresholds in order and once. Raises BadInput."""
    for field, name in (("userId", user), ("projectId", project)):
        if name is not None:
            _check_name(field, name)
    if period not in PERIODS:
        raise BadInput(f"period is {period[:40]!r}; it must be one of {', '.join(PERIODS)}.", {"field": "period"})
    if not 0 <= limit_usd <= MOST_USD:
        raise BadInput(f"limit is {limit_usd}; it must be from 0 to {MOST_USD} USD.", {"field": "limit"})
    if len(thresholds) > MOST_THRESHOLDS:
        raise BadInput(f"alertThresholds has {len(thresholds)} entries; at most {MOST_THRESHOLDS}.", _THRESHOLDS)
    for threshold in thresholds:
        if not 0 < threshold <= MOST_PERCENT:
            raise BadInput(f"alertThresholds holds {threshold}; percent above 0, up to {MOST_PERCENT}.", _THRESHOLDS)
    limit_nano = int((Decimal(str(limit_usd)) * NANO).quantize(Decimal(1), ROUND_HALF_UP))
    return BudgetSettings(user or "", project or "", period, limit_nano, tuple(sorted(set(thresholds))))


def period_at(period: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Start and end (excluded) of the period that `now` lies in; None for `total`."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if period == "hourly":
        return hour, hour + timedelta(hours=1)
    if period == "daily":
        return day, day + timedelta(days=1)
    if period == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if period == "monthly":
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return None


def alerts(settings: BudgetSettings, used_nano: int) -> list[Alert]:
    """One for each threshold: reached once the used amount is that share of the limit, compared exactly."""
    whose = " and ".join(
        f"{kind} {name!r}" for kind, name in (("user", settings.user), ("project", settings.project)) if name
    )
    spent = f"{_dollars(used_nano)} of {_dollars(settings.limit_nano)} USD used"
    found = []
    for threshold in settings.thresholds:
        reached = used_nano * 100 >= settings.limit_nano * Decimal(str(threshold))
        verb = "reached" if reached else "not reached"
        message = f"{threshold:g} % of the {settings.period} budget of {whose or 'all calls'} {verb}: {spent}."
        found.append(Alert(threshold, reached, message))
    return found


_THRESHOLDS: dict[str, object] = {"field": "alertThresholds"}


def _check_name(field: str, name: str) -> None:
    if not name.strip() or len(name) > MOST_NAME or "\0" in name:
        raise BadInput(
            f"{field} must have 1 to {MOST_NAME} characters and no NUL; leave it out to mean anybody's.",
            {"field": field},
        )


def _dollars(nano: int) -> str:
    return f"{usd(nano).normalize():f}"
