"""Fires a transition on the condition that it takes the token to a named place. Next: `firing.py`, which fires it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from workflows import selectors
from workflows.core.errors import BadInput
from workflows.core.net import Net, Transition
from workflows.core.payload import checked_text
from workflows.models import Token
from workflows.services.firing import fire
from workflows.services.journal import lock_case


def fire_to(
    token_id: str,
    transition_id: str,
    new_place: str | None,
    data: Mapping[str, Any] | None = None,
    *,
    triggered_by: str = "",
) -> Token:
    """`fire`, refused with nothing written if the transition would not take the token to `new_place` (None: anywhere).

    A step that works outside takes it to where its good end does. What then fires by itself may move it further.
    Raises what `fire` raises, and BadInput for another place or an overlong `triggered_by`.
    """
    if triggered_by:
        checked_text(triggered_by, "triggeredBy")
    with transaction.atomic():
        if new_place is not None:
            case = lock_case(selectors.existing_token(token_id).case_id)
            net = selectors.net_of(case.version)
            there = _destination(net, selectors.known_transition(net, case.workflow_id, transition_id))
            if there != new_place:
                leads = "ends it there" if there is None else f"takes it to {there!r}"
                raise BadInput("newPlace", f"is {new_place[:200]!r}, but transition {transition_id!r} {leads}")
        return fire(token_id, transition_id, data, triggered_by=triggered_by)


def _destination(net: Net, transition: Transition) -> str | None:
    """Where the named token comes out; None if the transition consumes it."""
    outputs = transition.outputs
    if transition.role == "start":
        outputs = net.transitions[net.steps[transition.step].outcomes["ok"]].outputs
    return outputs[0].place if outputs and transition.carries else None
