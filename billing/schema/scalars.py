"""The one JSON scalar of the GraphQL schema, shared by all apps: any JSON value, in and out."""

from typing import Any

from graphene.types.generic import GenericScalar
from graphql.language import ast


class JSON(GenericScalar):
    """Any JSON value: object, list, string, number, boolean or null."""

    @staticmethod
    def parse_literal(node: ast.ValueNode, variables: dict[str, Any] | None = None) -> Any:
        """The value of a literal; beyond graphene's: integers of any size, variables inside of objects and lists."""
        if isinstance(node, ast.VariableNode):
            return (variables or {}).get(node.name.value)
        if isinstance(node, ast.StringValueNode | ast.BooleanValueNode | ast.EnumValueNode):
            return node.value
        if isinstance(node, ast.IntValueNode):
            return int(node.value)
        if isinstance(node, ast.FloatValueNode):
            return float(node.value)
        if isinstance(node, ast.ListValueNode):
            return [JSON.parse_literal(item, variables) for item in node.values]
        if isinstance(node, ast.ObjectValueNode):
            return {field.name.value: JSON.parse_literal(field.value, variables) for field in node.fields}
        return None
