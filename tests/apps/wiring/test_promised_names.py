"""Every name that clients were promised is in the exported schema, with its arguments and the types that were said.

`promised.graphql` is the list. A promised type that may be null may also be non-null in an answer, for clients lose
nothing by that; arguments must be as said, and no argument beyond them may be required.
"""

from pathlib import Path

from graphql import (
    DocumentNode,
    InputValueDefinitionNode,
    NonNullTypeNode,
    TypeNode,
    parse,
    print_ast,
)

PROMISED = Path(__file__).parent / "promised.graphql"
EXPORTED = Path(__file__).parents[3] / "docs" / "schema.graphql"


def test_every_promised_name_is_served() -> None:
    exported = fields_of(parse(EXPORTED.read_text()))
    promised = fields_of(parse(PROMISED.read_text()))
    assert [name for name in promised if name not in exported] == []


def test_promised_arguments_and_types_are_as_said() -> None:
    exported = fields_of(parse(EXPORTED.read_text()))
    wrong = [
        f"{name}: {said} was promised, {served} is served"
        for name, said in fields_of(parse(PROMISED.read_text())).items()
        if (served := exported.get(name)) is not None and not keeps(said, served, answer="(" not in name)
    ]
    assert wrong == []


def test_no_promised_field_requires_an_argument_that_was_not_promised() -> None:
    promised = fields_of(parse(PROMISED.read_text()))
    fields = {name.partition("(")[0] for name in promised} - OPEN_ARGUMENTS
    extra = [
        name
        for name, served in fields_of(parse(EXPORTED.read_text())).items()
        if "(" in name and name.partition("(")[0] in fields and name not in promised and served.endswith("!")
    ]
    assert extra == []


def test_the_comparison_sees_a_wrong_type_and_a_lost_promise() -> None:
    assert keeps("[Token!]", "[Token!]!", answer=True)
    assert not keeps("[Token!]!", "[Token!]", answer=True)
    assert not keeps("String", "String!", answer=False)
    assert not keeps("Token", "Workflow", answer=True)
    assert keeps("Unstated", "[Int!]!", answer=True)


OPEN_ARGUMENTS = {"Mutation.createRule", "Mutation.updateRule", "Mutation.deleteRule", "Mutation.evaluateRule"}
"""Promised without arguments' names, which are ours to choose."""


def fields_of(document: DocumentNode) -> dict[str, str]:
    """`Type`, `Type.field` and `Type.field(argument)`, with their types as written; a type itself has none."""
    found: dict[str, str] = {}
    for definition in document.definitions:
        if getattr(definition, "fields", None):
            found[definition.name.value] = ""  # type: ignore[attr-defined]
        for field in getattr(definition, "fields", None) or ():
            name = f"{definition.name.value}.{field.name.value}"  # type: ignore[attr-defined]
            found[name] = print_ast(field.type)
            for argument in getattr(field, "arguments", None) or ():
                found[f"{name}({argument.name.value})"] = argument_type(argument)
    return found


def parent(name: str) -> str:
    """The field of an argument, the type of a field."""
    return name.partition("(")[0] if "(" in name else name.partition(".")[0]


def argument_type(argument: InputValueDefinitionNode) -> str:
    """Its type; with a default it need not be given, whatever the type says."""
    kind: TypeNode = argument.type
    if argument.default_value is not None and isinstance(kind, NonNullTypeNode):
        kind = kind.type
    return print_ast(kind)


def keeps(said: str, served: str, *, answer: bool) -> bool:
    return said == "Unstated" or said == served or (answer and f"{said}!" == served)
