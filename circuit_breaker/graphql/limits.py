"""How large one GraphQL document may be: bounds that hold before anything is executed.

Counted with fragments spread out, each fragment once (memoised), so that counting stays linear however hostile the
document. The standard introspection query, which GraphiQL sends, is well inside: 14 deep.
"""

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from circuit_breaker.graphql.errors import QueryTooComplex

MAX_LENGTH = 200_000
"""Characters of a document."""
MAX_TOKENS = 5_000
"""Lexical tokens of a document, comments counted apart: bounds parsing and validation."""
MAX_DEPTH = 20
MAX_FIELDS = 2_000
"""Fields after spreading out fragments."""
MAX_ALIASES = 100


def check_size(document: DocumentNode) -> None:
    """Raise QueryTooComplex when an operation is over a bound. The document must be valid: no fragment in a circle."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    count = _Count(fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            depth, fields, aliases = count.of(node.selection_set)
            _refuse_over("levels deep", depth, MAX_DEPTH)
            _refuse_over("fields large", fields, MAX_FIELDS)
            _refuse_over("aliases long", aliases, MAX_ALIASES)


def _refuse_over(measure: str, value: int, most: int) -> None:
    if value > most:
        raise QueryTooComplex(f"The operation is {value} {measure}; at most {most} are taken. Split it.")


class _Count:
    """Depth, fields and aliases of a selection set, with the figures of each fragment kept."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, tuple[int, int, int]] = {}

    def of(self, selections: SelectionSetNode | None) -> tuple[int, int, int]:
        depth = fields = aliases = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                below, count, renamed = self.of(node.selection_set)
                below, count, renamed = below + 1, count + 1, renamed + (node.alias is not None)
            elif isinstance(node, InlineFragmentNode):
                below, count, renamed = self.of(node.selection_set)
            else:
                assert isinstance(node, FragmentSpreadNode)
                below, count, renamed = self._fragment(node.name.value)
            depth, fields, aliases = max(depth, below), fields + count, aliases + renamed
        return depth, fields, aliases

    def _fragment(self, name: str) -> tuple[int, int, int]:
        if name not in self._known:
            self._known[name] = self.of(self._fragments[name].selection_set)
        return self._known[name]
