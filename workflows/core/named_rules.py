"""Rules that are named: a definition's own `rules`, which may name each other, and those it must find elsewhere.

A stored rule is copied into the definition when a version is made of it, so a version never changes with the rule.
The order of a definition's rules says nothing: what keeps JSON objects need not keep it. Next: `guard.py`.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from workflows.core.errors import BadDefinition
from workflows.core.guard import MAXIMUM_DEPTH, Rule, parse_rule


def parse_named_rules(written: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules by name. Raises BadDefinition with the path of the fault, such as rules in a ring."""
    before = {name: [part for part in names_in(rule) if part in written] for name, rule in written.items()}
    order = TopologicalSorter(before)
    rules: dict[str, Rule] = {}
    try:
        for name in order.static_order():
            rules[name] = parse_rule(written[name], f"rules.{name}", stored=rules)
    except CycleError as error:
        ring = list(reversed(error.args[1]))
        raise BadDefinition(f"rules.{ring[0]}", f"names itself: {' -> '.join(ring)}") from None
    return rules


def names_in(written: Any, depth: int = 0) -> Iterator[str]:
    """The names a rule as written holds, in And, Or and Not too; of what is no rule, none."""
    if depth > MAXIMUM_DEPTH:
        return
    if isinstance(written, str):
        yield written
    elif isinstance(written, Mapping):
        parts = written.get("rules") if written.get("type") in ("And", "Or") else [written.get("rule")]
        for part in parts if isinstance(parts, list) else ():
            yield from names_in(part, depth + 1)


def names_found_nowhere(definition: Mapping[str, Any]) -> set[str]:
    """The names of rules that a definition uses and does not have itself. What is malformed in it holds none."""
    own = definition.get("rules")
    rules = own if isinstance(own, Mapping) else {}
    transitions = definition.get("transitions")
    conditions = [
        each.get("conditions")
        for each in (transitions if isinstance(transitions, list) else ())
        if isinstance(each, Mapping)
    ]
    written = [rule for some in conditions if isinstance(some, list) for rule in some]
    return {name for rule in (*rules.values(), *written) for name in names_in(rule)} - set(rules)
