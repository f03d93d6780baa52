"""The query `analyzeWorkflow`: what a workflow can and cannot do, before it runs.

Time and memory are bounded by `limits`, which have bounds themselves; what lies past them is UNKNOWN. Reads the
definition only: no case is looked at. The verdicts are those of `core/analysis`.
"""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

import graphene
from graphene.utils.str_converters import to_camel_case

from workflows import selectors
from workflows.core.analysis.plain import plain_net
from workflows.core.analysis.questions import Prices, WorstPrice, unreachable_without
from workflows.core.analysis.report import Report, analyse
from workflows.core.analysis.structure import Found
from workflows.core.analysis.verdict import Answer, Limits, Verdict, until
from workflows.core.errors import BadInput
from workflows.core.net import Net
from workflows.core.notation import compile_definition, nearest
from workflows.schema.mutations import WorkflowDefinitionInput, definition_of
from workflows.schema.scalars import JSON

NANO = 1_000_000_000
MOST_STATES, USUAL_STATES = 200_000, 20_000
MOST_SECONDS, USUAL_SECONDS = 20.0, 5.0
MOST_TOKENS = 1_000_000

AnalysisAnswer = graphene.Enum.from_enum(
    Answer, description=lambda _: "UNKNOWN is never a guess.", name="AnalysisAnswer"
)


class AnalysisLimitsInput(graphene.InputObjectType):
    states = graphene.Int(default_value=USUAL_STATES, description=f"Markings looked at, at most {MOST_STATES}.")
    seconds = graphene.Float(default_value=USUAL_SECONDS, description=f"Time, at most {MOST_SECONDS:g}.")


class PriceInput(graphene.InputObjectType):
    """What one firing of a transition costs (where it has several attempts: each), or a token's arrival at a place."""

    transition = graphene.String()
    place = graphene.String()
    usd = graphene.String(required=True, description='A decimal number, such as "0.02".')


class ApprovalInput(graphene.InputObjectType):
    """A proof that is asked for: `action` never fires before one of `approvals` has."""

    action = graphene.String(required=True)
    approvals = graphene.List(graphene.NonNull(graphene.String), required=True)


class TokensInput(graphene.InputObjectType):
    place = graphene.String(required=True)
    count = graphene.Int(required=True)


class AnalysisVerdict(graphene.ObjectType):
    answer = AnalysisAnswer(required=True)
    method = graphene.String(required=True, description="How it was found.")
    trace = graphene.List(graphene.NonNull(graphene.String), description="Firings that show it, from the start.")
    witness = graphene.List(graphene.NonNull(graphene.String), required=True, description="Names it is about.")
    note = graphene.String(required=True, description="The limit reached, or what was left out.")


class PlaceBound(graphene.ObjectType):
    place = graphene.String(required=True)
    most = graphene.Int(description="The most tokens it can hold; null: no bound.")


class StructuralSets(graphene.ObjectType):
    sets = graphene.List(graphene.NonNull(JSON), required=True, description="Objects of names and weights.")
    complete = graphene.Boolean(required=True, description="False: there may be more.")


class WorstPriceVerdict(graphene.ObjectType):
    """TRUE: no case costs more than `usd`. FALSE: there is no most, and `loop` can be paid for ever."""

    answer = AnalysisAnswer(required=True)
    usd = graphene.String()
    trace = graphene.List(graphene.NonNull(graphene.String), required=True)
    loop = graphene.List(graphene.NonNull(graphene.String), required=True)
    note = graphene.String(required=True)

    @staticmethod
    def resolve_usd(worst: WorstPrice, info: graphene.ResolveInfo) -> str | None:
        return None if worst.nano is None else f"{Decimal(worst.nano) / NANO:.9f}"


class ApprovalVerdict(graphene.ObjectType):
    action = graphene.String(required=True)
    approvals = graphene.List(graphene.NonNull(graphene.String), required=True)
    verdict = graphene.Field(AnalysisVerdict, required=True)


class WorkflowAnalysis(graphene.ObjectType):
    sound = graphene.Field(AnalysisVerdict, required=True, description="Every case can end, clean, and all is of use.")
    bounded = graphene.Field(AnalysisVerdict, required=True)
    bounds = graphene.List(graphene.NonNull(PlaceBound), required=True, description="Empty when unknown.")
    deadlock_free = graphene.Field(AnalysisVerdict, required=True)
    dead_transitions = graphene.Field(AnalysisVerdict, required=True, description="TRUE: every transition can fire.")
    live = graphene.Field(AnalysisVerdict, required=True, description="A workflow that ends is never live.")
    place_invariants = graphene.Field(StructuralSets, required=True)
    transition_invariants = graphene.Field(StructuralSets, required=True)
    siphons = graphene.Field(StructuralSets, required=True)
    traps = graphene.Field(StructuralSets, required=True)
    worst_price = graphene.Field(WorstPriceVerdict, required=True)
    approvals = graphene.List(graphene.NonNull(ApprovalVerdict), required=True)
    states = graphene.Int(required=True)
    edges = graphene.Int(required=True)
    complete = graphene.Boolean(required=True, description="Whether every reachable marking was looked at.")
    abstracted = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="What was left out: guards count as free choice."
    )

    @staticmethod
    def resolve_bounds(asked: "Asked", info: graphene.ResolveInfo) -> list[dict[str, Any]]:
        bounds = asked.report.bounds.items()
        return [{"place": place, "most": None if most == math.inf else int(most)} for place, most in bounds]

    @staticmethod
    def resolve_approvals(asked: "Asked", info: graphene.ResolveInfo) -> list[dict[str, Any]]:
        return asked.approvals


class Asked:
    """A report, and the proofs that were asked for with it; the fields of the report are its own."""

    def __init__(self, report: Report, approvals: list[dict[str, Any]]) -> None:
        self.report, self.approvals = report, approvals

    def __getattr__(self, name: str) -> Verdict | Found | WorstPrice | int | bool | tuple[str, ...]:
        found: Verdict | Found | WorstPrice | int | bool | tuple[str, ...] = getattr(self.report, name)
        return found


class AnalysisQuery(graphene.ObjectType):
    analyze_workflow = graphene.Field(
        WorkflowAnalysis,
        required=True,
        definition=WorkflowDefinitionInput(description="As createWorkflow takes it; nothing is stored."),
        workflow_id=graphene.String(description="A stored workflow, instead of a definition."),
        limits=AnalysisLimitsInput(),
        prices=graphene.List(graphene.NonNull(PriceInput)),
        approvals=graphene.List(graphene.NonNull(ApprovalInput)),
        tokens=graphene.List(graphene.NonNull(TokensInput), description="Default: one in the initial place."),
    )

    @staticmethod
    def resolve_analyze_workflow(root: Any, info: Any, **arguments: Any) -> Asked:
        net = _net(arguments)
        limits = _limits(arguments.get("limits"))
        over = until(limits.seconds)
        initial = _tokens(arguments.get("tokens"), net)
        prices = _prices(arguments.get("prices") or (), net)
        proofs = []
        for index, asked in enumerate(arguments.get("approvals") or ()):
            for name in (asked.action, *asked.approvals):
                _known(name, net.transitions, f"approvals[{index}]")
            proof = unreachable_without(plain_net(net, initial), asked.action, asked.approvals, limits, over)
            proofs.append({"action": asked.action, "approvals": asked.approvals, "verdict": proof})
        return Asked(analyse(net, initial, prices, limits, over), proofs)


def _net(arguments: dict[str, Any]) -> Net:
    definition, workflow_id = arguments.get("definition"), arguments.get("workflow_id")
    if (definition is None) == (workflow_id is None):
        raise BadInput("definition", "give either a definition or a workflowId")
    if definition is not None:
        return compile_definition(selectors.with_stored_rules(definition_of(definition))).net
    assert workflow_id is not None
    row = selectors.existing_workflow(workflow_id)
    assert row.current is not None
    return selectors.net_of(row.current)


def _limits(given: Any) -> Limits:
    if given is None:
        return Limits(states=USUAL_STATES, seconds=USUAL_SECONDS)
    for name, most in (("states", MOST_STATES), ("seconds", MOST_SECONDS)):
        if not 0 < given[name] <= most:
            raise BadInput(f"limits.{name}", f"must be more than 0 and at most {most:g}")
    return Limits(states=given.states, seconds=given.seconds)


def _prices(given: Any, net: Net) -> Prices:
    prices: dict[str, dict[str, int]] = {"transition": {}, "place": {}}
    for index, one in enumerate(given):
        kinds = [kind for kind in prices if one.get(kind) is not None]
        if len(kinds) != 1:
            raise BadInput(f"prices[{index}]", "names either a transition or a place")
        name = one[kinds[0]]
        _known(name, net.transitions if kinds[0] == "transition" else net.places, f"prices[{index}].{kinds[0]}")
        try:
            nano = Decimal(one.usd) * NANO
        except InvalidOperation:
            raise BadInput(f"prices[{index}].usd", 'must be a decimal number, such as "0.02"') from None
        if not nano.is_finite() or not 0 <= nano < 10**18:
            raise BadInput(f"prices[{index}].usd", "must be zero or more, and less than a billion")
        prices[kinds[0]][name] = math.ceil(nano)
    return Prices(prices["transition"], prices["place"])


def _tokens(given: Any, net: Net) -> dict[str, int] | None:
    for index, one in enumerate(given or ()):
        _known(one.place, net.places, f"tokens[{index}].place")
        if not 0 <= one["count"] <= MOST_TOKENS:
            raise BadInput(f"tokens[{index}].count", f"must be from 0 to {MOST_TOKENS}")
    return {one.place: one["count"] for one in given} if given else None


def _known(name: str, names: Any, where: str) -> None:
    if name not in names:
        kind = to_camel_case(where.rpartition(".")[2]) if "." in where else "transition"
        raise BadInput(where, f"no {kind} {name!r}{nearest(name, names)}")
