"""GraphQL types of workflows, tokens and their events. Resolvers of a list fetch for all its rows at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import graphene

from workflows import models, selectors
from workflows.core.firing import Reason
from workflows.core.net import Arc as NetArc
from workflows.core.net import Net
from workflows.core.net import Transition as NetTransition
from workflows.schema.hearing import AnalysisWarning
from workflows.schema.scalars import JSON
from workflows.selectors import LogEntry


class Arc(graphene.ObjectType):
    place = graphene.String(required=True)
    weight = graphene.Int(required=True)


class Transition(graphene.ObjectType):
    """A step of a workflow. `fromPlaces`: any of them, unless `inputs` says that all are needed."""

    id = graphene.String(required=True)
    name = graphene.String(required=True)
    from_places = graphene.List(graphene.NonNull(graphene.String), required=True)
    to_place = graphene.String(description="Where the token goes; null if it ends here.")
    conditions = graphene.List(JSON, required=True)
    description = graphene.String()
    kind = graphene.String(required=True, description="Who fires it: manual, automatic, timer, agent, function, …")
    spontaneous = graphene.Boolean(required=True, description="Fires without being asked, once it is enabled.")
    definition = JSON(required=True, description="The transition as it was written, ids filled in.")
    inputs = graphene.List(graphene.NonNull(Arc), description="Set if several tokens meet here.")
    outputs = graphene.List(graphene.NonNull(Arc), description="Set with `inputs`; the first keeps the token's id.")


class Workflow(graphene.ObjectType):
    id = graphene.String(required=True)
    name = graphene.String(required=True)
    description = graphene.String()
    places = graphene.List(graphene.NonNull(graphene.String), required=True)
    transitions = graphene.List(graphene.NonNull(Transition), required=True)
    initial_place = graphene.String(required=True)
    version = graphene.Int(required=True, description="Number of the current definition; running cases keep theirs.")
    created_at = graphene.DateTime(required=True)
    updated_at = graphene.DateTime(required=True)
    warnings = graphene.List(
        graphene.NonNull(AnalysisWarning),
        description="What the analysis found; in the replies of mutations that take a definition only.",
    )


class Picture(graphene.ObjectType):
    """A net drawn: places as circles with their tokens, transitions as boxes with their kind and guard."""

    svg = graphene.String(required=True, description="Stands alone, and can be put into a page as it is.")
    dot = graphene.String(required=True, description="The same for Graphviz.")

    @staticmethod
    def resolve_svg(picture: "ShownPicture", info: graphene.ResolveInfo) -> str:
        return picture.picture.svg(picture.refined)

    @staticmethod
    def resolve_dot(picture: "ShownPicture", info: graphene.ResolveInfo) -> str:
        return picture.picture.dot(picture.refined)


class HistoryEvent(graphene.ObjectType):
    """One entry of the log, as the token saw it."""

    timestamp = graphene.DateTime(required=True)
    event_type = graphene.String(required=True)
    transition = graphene.String(description="Null for what is no firing, such as the creation.")
    from_place = graphene.String()
    to_place = graphene.String()
    data = JSON(description="What came in with it.")
    triggered_by = graphene.String()
    seq = graphene.Int(required=True)


class Token(graphene.ObjectType):
    id = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    case_id = graphene.String(required=True)
    place = graphene.String(required=True)
    state = graphene.String(required=True, description="live or consumed")
    data = JSON(required=True)
    metadata = JSON(required=True)
    version = graphene.Int(required=True, description="Counts the changes, from 1; see expectedVersion.")
    created_at = graphene.DateTime(required=True)
    updated_at = graphene.DateTime(required=True)
    history = graphene.List(
        graphene.NonNull(HistoryEvent),
        required=True,
        description=f"Oldest first; the newest {selectors.HISTORY_MAXIMUM} at most.",
    )
    history_count = graphene.Int(required=True)

    @staticmethod
    def resolve_history(row: "TokenRow", info: graphene.ResolveInfo) -> list[dict[str, Any]]:
        return row.history()


class NotEnabledReason(graphene.ObjectType):
    kind = graphene.String(required=True)
    message = graphene.String(required=True)
    details = JSON(required=True)


class TokenEvent(graphene.ObjectType):
    """One change of the token. `position` resumes a subscription (`after`), `seq` numbers the case's entries."""

    event_type = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    case_id = graphene.String(required=True)
    token_id = graphene.String(required=True)
    transition = graphene.String()
    from_place = graphene.String()
    place = graphene.String(description="Where it is now; null if it was consumed.")
    data = JSON(description="The token's data now.")
    metadata = JSON()
    version = graphene.Int()
    triggered_by = graphene.String()
    timestamp = graphene.DateTime(required=True)
    seq = graphene.Int(required=True)
    position = graphene.String(required=True)


class WorkflowEvent(graphene.ObjectType):
    """One entry of the workflow's log."""

    event_type = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    case_id = graphene.String(required=True)
    token_id = graphene.String(required=True)
    transition = graphene.String()
    from_place = graphene.String()
    to_place = graphene.String()
    data = JSON(description="What came in with it.")
    triggered_by = graphene.String()
    timestamp = graphene.DateTime(required=True)
    seq = graphene.Int(required=True)
    position = graphene.String(required=True)


class ShownPicture(NamedTuple):
    """A picture that is drawn when its text is asked for."""

    picture: selectors.Picture
    refined: bool


class TokenRow:
    """A token on its way out, with the rows it was listed with: the first history asked for fetches all of theirs."""

    def __init__(self, row: models.Token, listed: Sequence[models.Token]) -> None:
        self._row = row
        self._listed = listed

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._row, name)
        return str(value) if name in ("id", "case_id") else value

    def history(self) -> list[dict[str, Any]]:
        if not hasattr(self._row, "newest_changes"):
            selectors.load_histories(self._listed)
        return [_history_event(change) for change in reversed(self._row.newest_changes)]  # type: ignore[attr-defined]


def show_tokens(rows: Sequence[models.Token]) -> list[TokenRow]:
    return [TokenRow(row, rows) for row in rows]


def show_token(row: models.Token | None) -> TokenRow | None:
    return None if row is None else TokenRow(row, [row])


def show_workflow(row: models.Workflow) -> dict[str, Any]:
    assert row.current is not None
    net, written = selectors.net_of(row.current), row.current.definition
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "places": list(net.places),
        "transitions": [show_transition(net.transitions[each["id"]], each, net) for each in written["transitions"]],
        "initial_place": net.initial_place,
        "version": row.current.number,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def show_transition(step: NetTransition, definition: Mapping[str, Any], net: Net) -> dict[str, Any]:
    """A step that works outside is shown as people wrote it: its outputs are those of its good end."""
    full = "inputs" in definition
    outputs = step.outputs
    if step.role == "start":
        outputs = net.transitions[net.steps[step.step].outcomes["ok"]].outputs
    return {
        "id": step.id,
        "name": step.name,
        "from_places": list(step.source_places),
        "to_place": outputs[0].place if outputs else None,
        "conditions": definition.get("conditions", []),
        "description": definition.get("description"),
        "kind": step.kind,
        "spontaneous": step.spontaneous,
        "definition": dict(definition),
        "inputs": _arcs(step.alternatives[0]) if full else None,
        "outputs": _arcs(outputs) if full else None,
    }


def show_reason(reason: Reason) -> dict[str, Any]:
    details = {key: value for key, value in reason.items() if key not in ("kind", "message")}
    return {"kind": reason["kind"], "message": reason["message"], "details": details}


def show_workflow_event(entry: LogEntry) -> dict[str, Any]:
    return {
        **_event(entry),
        "token_id": entry.token_id,
        "from_place": entry.from_place or None,
        "to_place": entry.to_place or None,
        "data": entry.data,
    }


def show_token_event(entry: LogEntry, token_id: str) -> dict[str, Any]:
    state = next((state for state in entry.states if state.token_id == token_id), None)
    shown = {**_event(entry), "token_id": token_id, "from_place": entry.from_place or None}
    if state is None:  # an entry that names the token and leaves it as it is, e.g. a failed effect
        return {**shown, "data": entry.data}
    return {
        **shown,
        "place": state.place or None,
        "data": state.data if state.place else None,
        "metadata": state.metadata if state.place else None,
        "version": state.version,
    }


def _event(entry: LogEntry) -> dict[str, Any]:
    timestamp: datetime = entry.at
    return {
        "event_type": entry.kind,
        "workflow_id": entry.workflow_id,
        "case_id": entry.case_id,
        "transition": entry.transition or None,
        "triggered_by": entry.triggered_by or None,
        "timestamp": timestamp,
        "seq": entry.seq,
        "position": str(entry.position),
    }


def _arcs(arcs: Sequence[NetArc]) -> list[dict[str, Any]]:
    return [{"place": arc.place, "weight": arc.weight} for arc in arcs]


def _history_event(change: models.TokenChange) -> dict[str, Any]:
    firing = change.firing
    return {
        "timestamp": firing.at,
        "event_type": firing.kind,
        "transition": firing.transition or None,
        "from_place": change.from_place or None,
        "to_place": change.to_place or None,
        "data": firing.data,
        "triggered_by": firing.triggered_by or None,
        "seq": firing.seq,
    }
