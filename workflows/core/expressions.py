"""Expressions in guards, correlations and outputs: Google's Common Expression Language, compiled once, never `eval`.

    data.total > 100 && "urgent" in data.tags          {"total": data.price * data.count, "by": metadata.author}

They see `data` and `metadata` (the merged view of the binding's tokens), `tokens` (each one taken: id, place, data,
metadata), `reads` (each one read), `input` (what came with the firing; outputs only) and `result` (what a step's work
gave back; a step's output only). An unknown name is an error when the definition is compiled. Evaluation has no side
effect, is bounded (the library's budget of 10,000 iterations; COST_MAXIMUM here, as it does not bound memory), and its
errors are values: a missing field says which. Numbers are CEL's: 1 + 1.5 needs double(1) + 1.5.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from workflows.core.errors import BadDefinition, BadInput
from workflows.core.payload import checked_object, checked_text

MAXIMUM_LENGTH = 1_000
MAXIMUM_FIELDS = 100
ITERATIONS = 10_000
COST_MAXIMUM = 64_000_000
"""Characters an evaluation could build at most: what it sees, times its iterations, times its additions."""

VARIABLES: Final = ("data", "metadata", "tokens", "reads", "input", "result")
_PATH = re.compile(r"(?:data|metadata)(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_MAPS = re.compile(r"\.\s*map\s*\(")
_LOOPS = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression. Two of the same source are equal."""

    source: str
    program: Any = field(compare=False, repr=False)
    path: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The steps, if it is no more than a path such as data.order.id: looked up without the library."""


@dataclass(frozen=True, slots=True)
class Template:
    """A JSON object said by expressions: one that gives the object, or one for each of its fields."""

    whole: Expression | None = None
    fields: tuple[tuple[str, Expression], ...] = ()
    adds: bool = False
    """Merged over what was there, instead of replacing it."""


@dataclass(frozen=True, slots=True)
class View:
    """What an expression sees."""

    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tokens: Sequence[Mapping[str, Any]] = ()
    reads: Sequence[Mapping[str, Any]] = ()
    input: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)


class ExpressionFailed(Exception):
    """An evaluation that gave no value; the message says why."""


def parse_expression(written: Any, path: str) -> Expression:
    """The expression written at `path`; raises BadDefinition with the place of the fault."""
    if not isinstance(written, str) or not written.strip():
        raise BadDefinition(path, 'must be an expression, such as "data.total > 100"')
    if len(written) > MAXIMUM_LENGTH:
        raise BadDefinition(path, f"has {len(written)} characters; at most {MAXIMUM_LENGTH} are accepted")
    try:
        return _compiled(written)
    except (RuntimeError, ValueError) as error:
        raise BadDefinition(path, f"is no expression: {_first_lines(str(error))}") from error


def parse_template(written: Any, path: str, *, adds: bool = False) -> Template:
    """An expression that gives an object, or an object of expressions; raises BadDefinition."""
    if isinstance(written, str):
        return Template(whole=parse_expression(written, path), adds=adds)
    if not isinstance(written, Mapping):
        raise BadDefinition(path, "must be an expression that gives an object, or an object of expressions")
    if len(written) > MAXIMUM_FIELDS:
        raise BadDefinition(path, f"has {len(written)} fields; at most {MAXIMUM_FIELDS} are accepted")
    return Template(
        fields=tuple((str(key), parse_expression(value, f"{path}.{key}")) for key, value in written.items()), adds=adds
    )


def evaluate_expression(expression: Expression, view: View) -> Any:
    """The value as plain JSON; raises ExpressionFailed."""
    if expression.path:
        return _looked_up(expression, view)
    _check_cost(expression, view)
    try:
        found = expression.program.eval(
            data={
                "data": dict(view.data),
                "metadata": dict(view.metadata),
                "tokens": list(view.tokens),
                "reads": list(view.reads),
                "input": dict(view.input),
                "result": dict(view.result),
            }
        )
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise ExpressionFailed(f"{expression.source}: {_first_lines(str(error))}") from error
    if found.type() == cel.Type.ERROR:
        raise ExpressionFailed(f"{expression.source}: {_reason(str(found.plain_value()))}")
    return _json(found.plain_value(), expression.source)


def evaluate_text(expression: Expression, view: View, maximum: int) -> str:
    """The text an expression gives, of 1 to `maximum` characters; raises ExpressionFailed."""
    found = evaluate_expression(expression, view)
    if not isinstance(found, str):
        raise ExpressionFailed(f"{expression.source}: gives {_named(found)}, and must give a string")
    try:
        return checked_text(found, expression.source, maximum)
    except BadInput as error:
        raise ExpressionFailed(str(error)) from error


def fill(template: Template, view: View, base: Mapping[str, Any]) -> dict[str, Any]:
    """The object a template gives; `base` is what an adding one adds to. Raises ExpressionFailed."""
    if template.whole is not None:
        made = evaluate_expression(template.whole, view)
        if not isinstance(made, dict):
            raise ExpressionFailed(f"{template.whole.source}: gives a {type(made).__name__}, and must give an object")
    else:
        made = {key: evaluate_expression(expression, view) for key, expression in template.fields}
    try:
        return checked_object({**base, **made} if template.adds else made, "data")
    except BadInput as error:
        raise ExpressionFailed(str(error)) from error


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Expression:
    program = _environment().compile(source)
    plain = _PATH.fullmatch(source.strip())
    return Expression(source, program, tuple(source.strip().split(".")) if plain else ())


@lru_cache(maxsize=1)
def _environment() -> Any:
    anything = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    token = cel.Type.List(cel.Type.DYN)
    kinds = {name: token if name in ("tokens", "reads") else anything for name in VARIABLES}
    return cel.NewEnv(variables=kinds)


def _looked_up(expression: Expression, view: View) -> Any:
    found: Any = getattr(view, expression.path[0])
    for step in expression.path[1:]:
        if not isinstance(found, Mapping) or step not in found:
            raise ExpressionFailed(f'{expression.source}: Key not found in map : "{step}"')
        found = found[step]
    return found


def _check_cost(expression: Expression, view: View) -> None:
    """Loops and additions can multiply what they see; what could grow past COST_MAXIMUM is refused beforehand."""
    loops, sums = len(_LOOPS.findall(expression.source)), expression.source.count("+")
    if not sums and not _MAPS.search(expression.source):
        return
    seen = (view.data, view.metadata, view.tokens, view.reads, view.input, view.result)
    text = json.dumps(seen, ensure_ascii=False, default=dict)
    size, items = len(text), text.count(",") + 2
    iterations = min(ITERATIONS, items**loops) if loops else 1
    if size * iterations * (1 + sums) > COST_MAXIMUM:
        raise ExpressionFailed(f"{expression.source}: sees {size} characters, too many to loop over or add up")


def _json(value: Any, source: str) -> Any:
    """CEL's values that are JSON, as JSON; others are named."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionFailed(f"{source}: gives {value}, which JSON has no number for")
        return value
    if isinstance(value, list):
        return [_json(item, source) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ExpressionFailed(f"{source}: gives an object with a key that is no string")
        return {key: _json(item, source) for key, item in value.items()}
    raise ExpressionFailed(f"{source}: gives a {type(value).__name__}, which is no JSON value; make it a string")


def _named(value: Any) -> str:
    """What kind of JSON value it is."""
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def _reason(said: str) -> str:
    """The library's message without its quotes and code."""
    return said.strip("'").partition(": ")[2] or said


def _first_lines(said: str) -> str:
    return " ".join(said.replace("INVALID_ARGUMENT: ERROR: ", "").split())[:300]
