"""A case's page: its picture as it stands, what can be fired now and why the rest cannot, tokens, log and effects.

Firing and retrying are posts with a permission of their own (change token, change effect); what the engine refuses is
shown in its words. A form carries an idempotency key, so a page sent twice fires once.
"""

import json
import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from unfold.decorators import display

from workflows import selectors, services
from workflows.admin.looking import LookOnlyAdmin
from workflows.admin.rows import EFFECT_LABELS
from workflows.admin.workflow_page import svg_of
from workflows.core.errors import WorkflowError
from workflows.models import Case, OutboxEffect, Token
from workflows.services.cascade import WAKE
from workflows.services.firing import EFFECT_KEY

LOG_PAGE = 25
TOKENS_SHOWN = 200
DATA_SHOWN = 5_000
FIRE, RETRY = "workflows.change_token", "workflows.change_outboxeffect"


@admin.register(Case)
class CaseAdmin(LookOnlyAdmin):
    list_display = ("id", "workflow", "shown_state", "version_number", "last_seq", "triggered_by", "created_at")
    list_filter = ("state", "workflow")
    list_select_related = ("workflow", "version")
    search_fields = ("triggered_by",)
    uuid_fields = ("id", "tokens__id", "archived_tokens__id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    fields = ()
    change_form_template = "workflows/case_page.html"

    @display(description="state", ordering="state", label={"open": "info", "finished": "success"})  # type: ignore[untyped-decorator]
    def shown_state(self, case: Case) -> str:
        return f"shared by {case.scope}" if case.scope else case.state

    @display(description="version")  # type: ignore[untyped-decorator]
    def version_number(self, case: Case) -> int:
        return case.version.number

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        allowed: bool = lookup == "version__id__exact" or super().lookup_allowed(lookup, value, request)
        return allowed

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        found: QuerySet[Case] = super().get_queryset(request)
        return found.defer("version__definition")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<uuid:case_id>/fire/", self.admin_site.admin_view(self.fire), name="workflows_case_fire"),
            path("<uuid:case_id>/retry/", self.admin_site.admin_view(self.retry), name="workflows_case_retry"),
            path("<uuid:case_id>/seq/", self.admin_site.admin_view(self.seq), name="workflows_case_seq"),
        ]
        return own + list(super().get_urls())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        case = selectors.case(object_id)
        shown = {} if case is None else case_context(case, request)
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
        return answer

    @method_decorator(require_POST)
    def fire(self, request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
        """Fire one transition with one token of the case."""
        if not request.user.has_perm(FIRE):
            raise PermissionDenied
        token_id, transition = request.POST.get("token", ""), request.POST.get("transition", "")
        try:
            token = selectors.existing_token(token_id)
            if token.case_id != case_id:
                raise Http404
            services.fire(
                token_id,
                transition,
                _data(request.POST.get("data", "")),
                idempotency_key=request.POST.get("key") or None,
                triggered_by=request.user.get_username(),
            )
        except (WorkflowError, ValueError) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{transition} has fired.", messages.SUCCESS)
        return redirect("admin:workflows_case_change", case_id)

    @method_decorator(require_POST)
    def retry(self, request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
        """Let a failed or waiting effect of the case run again."""
        if not request.user.has_perm(RETRY):
            raise PermissionDenied
        case = selectors.case(str(case_id))
        wanted = request.POST.get("effect", "")
        if case is None or wanted not in {str(effect.pk) for effect in selectors.effects_of_case(case)}:
            raise Http404
        try:
            again = services.retry_now(wanted)
        except WorkflowError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            said = "The effect runs again." if again else "The effect runs or is finished."
            self.message_user(request, said, messages.SUCCESS if again else messages.WARNING)
        return redirect("admin:workflows_case_change", case_id)

    def seq(self, request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
        """How far the case's log has come: the page asks, and shows itself anew when it has grown."""
        case = selectors.case(str(case_id))
        if case is None or not self.has_view_permission(request, case):
            raise Http404
        return JsonResponse({"seq": case.last_seq, "archived": case.archived_at is not None})


def case_context(case: Case, request: HttpRequest) -> dict[str, Any]:
    """What the template shows."""
    ways = selectors.transitions_of_case(case)
    live = selectors.tokens_of_case(case, Token.LIVE, TOKENS_SHOWN)
    by_place: dict[str, list[dict[str, Any]]] = {}
    for token in live:
        by_place.setdefault(token.place, []).append(_token(token))
    tokens = {token["id"]: token for group in by_place.values() for token in group}
    effects = [effect for effect in selectors.effects_of_case(case) if effect.kind != WAKE or effect.error]
    enabled = [way.transition.id for way in ways if way.token_ids]
    may_retry = request.user.has_perm(RETRY) and case.archived_at is None
    page = _page(request)
    pages = max(1, -(-case.last_seq // LOG_PAGE))
    page = min(page, pages)
    return {
        "case": case,
        "picture": svg_of(selectors.picture_of_case(case, enabled)),
        "available": [_way(way, tokens) for way in ways if way.token_ids],
        "unavailable": [(way.transition, _reasons(way)) for way in ways if not way.token_ids],
        "by_place": by_place,
        "tokens_shown": TOKENS_SHOWN if len(live) == TOKENS_SHOWN else None,
        "log": _log(case, page, {f"{EFFECT_KEY}{effect.pk}": effect for effect in effects}),
        "page": page,
        "pages": pages,
        "effects": [(each, EFFECT_LABELS[each.state], may_retry and _waits(each, live)) for each in effects],
        "may_fire": request.user.has_perm(FIRE) and case.archived_at is None,
        "seq_link": reverse("admin:workflows_case_seq", args=[case.pk]),
    }


def _waits(effect: OutboxEffect, live: list[Token]) -> bool:
    """Whether the effect could do its work now: it has not, and its token is still there."""
    if effect.state not in (OutboxEffect.FAILED, OutboxEffect.PENDING):
        return False
    here = {(token.pk, token.entered_seq) for token in live}
    return effect.token_id is None or (effect.token_id, effect.entered_seq) in here


def _log(case: Case, page: int, effects: dict[str, OutboxEffect]) -> list[dict[str, Any]]:
    """One page of the log, the newest entry first."""
    last = case.last_seq - (page - 1) * LOG_PAGE
    first = max(0, last - LOG_PAGE)
    return [
        _entry(entry, effects.get(entry.triggered_by))
        for entry in reversed(selectors.log_of_case(case, first, max(1, last - first)))
    ]


def _entry(entry: selectors.LogEntry, effect: OutboxEffect | None) -> dict[str, Any]:
    whole = json.dumps(entry.data, indent=2, ensure_ascii=False) if entry.data else ""
    short = ", ".join(entry.data)
    return {
        "seq": entry.seq,
        "at": entry.at,
        "transition": entry.transition,
        "words": entry.kind.replace("_", " "),
        "from_place": entry.from_place,
        "to_place": entry.to_place,
        "triggered_by": entry.triggered_by if effect is None else f"{effect.kind} {effect.reference}",
        "data": whole[:DATA_SHOWN],
        "short": short if len(short) <= 40 else f"{short[:37]}...",
    }


def _page(request: HttpRequest) -> int:
    asked = request.GET.get("log", "1")
    return max(1, int(asked)) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 1


def _way(way: selectors.CaseTransition, tokens: dict[str, dict[str, Any]]) -> dict[str, Any]:
    shown = [tokens.get(each, {"id": each, "label": each[:8]}) for each in way.token_ids]
    return {"transition": way.transition, "tokens": shown, "key": f"admin:{uuid.uuid4()}"}


def _reasons(way: selectors.CaseTransition) -> str:
    return "; ".join(str(reason["message"]) for reason in way.reasons)


def _token(token: Token) -> dict[str, Any]:
    shown = json.dumps(token.data, indent=2, ensure_ascii=False)
    title = next((str(token.data[key]) for key in ("title", "name", "subject") if token.data.get(key)), "")
    label = f"{title[:60]} ({token.pk.hex[:8]})" if title else token.pk.hex[:8]
    return {"id": str(token.pk), "row": token, "label": label, "data": shown[:DATA_SHOWN]}


def _data(written: str) -> dict[str, Any] | None:
    """The form's data: nothing, or a JSON object. Raises ValueError in words for people."""
    if not written.strip():
        return None
    try:
        data = json.loads(written)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"The data is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise ValueError('The data must be a JSON object, such as {"approved": true}.')
    return data
