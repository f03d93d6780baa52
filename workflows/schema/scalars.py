"""The one JSON scalar of the GraphQL schema, shared by all apps: any JSON value, in and out."""

from graphene.types.generic import GenericScalar


class JSON(GenericScalar):
    """Any JSON value: object, list, string, number, boolean or null."""
