"""What an author hears when a workflow is made or changed: what a short analysis found, or a refusal if asked for.

Within AT_CREATION, so that creating stays quick; `analyzeWorkflow` looks further.
"""

from typing import Any

import graphene

from workflows import selectors
from workflows.core.analysis.findings import Finding, findings
from workflows.core.analysis.report import analyse
from workflows.core.analysis.verdict import Limits
from workflows.core.errors import NotSound
from workflows.core.notation import compile_definition

AT_CREATION = Limits(states=5_000, vectors=0, seconds=1.0)


class AnalysisPolicy(graphene.Enum):
    """What becomes of a workflow that the analysis finds fault with."""

    WARN = "warn"
    REFUSE = "refuse"
    OFF = "off"


def policy_argument() -> graphene.Argument:
    """The argument `analysis` of every mutation that takes a definition."""
    return graphene.Argument(
        AnalysisPolicy,
        default_value=AnalysisPolicy.WARN.value,  # type: ignore[attr-defined]
        description="REFUSE: nothing is made of a definition that is proved unsound, unbounded or stuck.",
    )


class AnalysisWarning(graphene.ObjectType):
    kind = graphene.String(required=True, description="unbounded, not_sound, deadlock or dead_transitions")
    message = graphene.String(required=True)
    proved = graphene.Boolean(required=True, description="False: it could not be decided within the limits.")
    trace = graphene.List(graphene.NonNull(graphene.String), required=True, description="Firings that lead there.")


def heard(definition: dict[str, Any], asked: Any) -> tuple[Finding, ...]:
    """The findings; raises NotSound if the policy is to refuse and anything was proved wrong, and BadDefinition.

    `asked`: a member of AnalysisPolicy, or its value, as graphene hands in a default.
    """
    policy = getattr(asked, "value", asked)
    if policy == "off":
        return ()
    found = findings(analyse(compile_definition(selectors.with_stored_rules(definition)).net, limits=AT_CREATION))
    wrong = [each for each in found if each.proved]
    if policy == "refuse" and wrong:
        raise NotSound([{"kind": each.kind, "message": each.message, "trace": list(each.trace)} for each in wrong])
    return found
