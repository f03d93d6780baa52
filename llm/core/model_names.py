"""The names a deployment answers to, besides the virtual ones. Pure.

A model's own id wins over an alias, an alias over a name made here: so no name of one model ever hides another model.
A dated id (`-YYYYMMDD`, `-YYYY-MM-DD`) answers to its undated form too, the latest date first; and a name that nobody
has, with a date, with `-latest` or with Google's `-001` at its end, leads to the name without it. Next file:
`model_list.py`, `/v1/models`.
"""

import re
from collections.abc import Iterable

from llm.core.deployment import Deployment

DATE = re.compile(r"-20\d\d(?:(?:0[1-9]|1[0-2])[0-3]\d|-(?:0[1-9]|1[0-2])-[0-3]\d)$")
VERSION = re.compile(DATE.pattern[:-1] + r"$|-latest$|-0\d\d$")


def undated(name: str) -> str:
    """`name` without the date or version at its end."""
    return VERSION.sub("", name)


def named(deployments: Iterable[Deployment]) -> dict[str, tuple[Deployment, ...]]:
    """Every name, and who answers to it, in the order given."""
    own: dict[str, list[Deployment]] = {}
    aliases: dict[str, list[Deployment]] = {}
    made: dict[str, list[Deployment]] = {}
    for one in deployments:
        provider, model = one.provider.name, one.model
        for name in (model.id, f"{provider}/{model.id}"):
            own.setdefault(name, []).append(one)
            if DATE.search(name):
                made.setdefault(DATE.sub("", name), []).append(one)
        for alias in (*model.aliases, *(f"{provider}/{alias}" for alias in model.aliases)):
            aliases.setdefault(alias, []).append(one)
    for found in made.values():
        found.sort(key=_digits, reverse=True)
    return {name: tuple(found) for name, found in (made | aliases | own).items()}


def _digits(one: Deployment) -> str:
    """A date in its own order."""
    found = DATE.search(one.model.id)
    return found.group().replace("-", "") if found else ""
