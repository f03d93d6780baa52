"""A step that works outside, as the plain transitions it is: so no transaction spans the work and analysis sees it.

    inputs ─▶ [id] ─▶ (id.running) ─▶ [id.ok]        ─▶ outputs
                                   ├▶ [id.failed]    ─▶ outcomes.failed, or the place id.failed
                                   ├▶ [id.timeout]   ─▶ outcomes.timeout, or where failed goes   (with `timeout` only)
                                   └▶ [id.cancelled] ─▶ outcomes.cancelled                       (where written only)

The start has the step's id, guard, inputs and priority. Firing it asks for the effect; the effect's outcome fires one
of the others. `id.timeout` is a timer; `id.cancelled` may be fired by anyone. Next: `net.py`.
"""

from collections.abc import Mapping
from dataclasses import replace

from workflows.core.errors import BadDefinition
from workflows.core.net import Arc, Compensation, Place, Retries, Role, Step, Transition

_LONGEST_NAME = 200


def refine(
    whole: Transition,
    path: str,
    outcomes: Mapping[str, tuple[Arc, ...]],
    retries: Retries,
    timeout: float | None,
    compensation: Compensation | None,
) -> tuple[Step, list[Transition], list[Place]]:
    """The step, its transitions (the start first) and the places made for it. `outcomes`: arcs of failed and so on."""
    assert whole.work is not None
    running = f"{whole.id}.running"
    if len(f"{whole.id}.cancelled") > _LONGEST_NAME:
        raise BadDefinition(
            f"{path}.id", f"is too long; its outcomes' names would have over {_LONGEST_NAME} characters"
        )
    made = [Place(running, step=whole.id)]
    arcs = {"ok": whole.outputs, **outcomes}
    if "failed" not in arcs:
        made.append(Place(f"{whole.id}.failed", step=whole.id))
        arcs["failed"] = (Arc(f"{whole.id}.failed"),)
    if timeout is not None:
        arcs.setdefault("timeout", arcs["failed"])
    start = replace(whole, outputs=(Arc(running),), step=whole.id, role="start")
    parts = [start]
    roles: tuple[Role, ...] = ("ok", "failed", "timeout", "cancelled")
    parts += [_outcome(whole, running, role, arcs[role], timeout) for role in roles if role in arcs]
    step = Step(
        id=whole.id,
        kind=whole.kind,
        work=whole.work,
        running=running,
        outcomes={part.role: part.id for part in parts[1:]},
        retries=retries,
        timeout=timeout,
        compensation=compensation,
    )
    return step, parts, made


def _outcome(
    whole: Transition, running: str, role: Role, outputs: tuple[Arc, ...], timeout: float | None
) -> Transition:
    timed = role == "timeout" and timeout is not None
    return Transition(
        id=f"{whole.id}.{role}",
        name=f"{whole.name}: {role}",
        alternatives=((Arc(running),),),
        outputs=outputs,
        kind="timer" if timed else ("manual" if role == "cancelled" else "outcome"),
        spontaneous=timed,
        after=timeout if timed and timeout is not None else 0.0,
        step=whole.id,
        role=role,
    )
