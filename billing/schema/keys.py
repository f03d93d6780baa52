"""GraphQL of the API keys of clients. A key is shown once, by `createApiKey`."""

from datetime import UTC, datetime
from typing import Any

import graphene

from billing import models as tables
from billing import selectors, services
from billing.core.keys import ApiKeySettings, Limits


class ApiKey(graphene.ObjectType):
    """A client's key; the key itself is not kept."""

    id = graphene.ID(required=True)
    name = graphene.String(required=True)
    hint = graphene.String(required=True, description="First and last characters of the key.")
    user = graphene.String(description="Calls are booked on this user.")
    project = graphene.String(description="Calls are booked on this project.")
    scopes = graphene.List(graphene.NonNull(graphene.String), required=True)
    models = graphene.List(graphene.NonNull(graphene.String), required=True, description="Empty: all.")
    requests_per_minute = graphene.Int()
    tokens_per_minute = graphene.Int()
    burst = graphene.Int(description="Requests that may come at once; without it, a minute's worth.")
    concurrent_requests = graphene.Int()
    show_cost = graphene.Boolean(required=True, description="The usage of each reply says what it cost.")
    created_at = graphene.DateTime(required=True)
    expires_at = graphene.DateTime()
    revoked_at = graphene.DateTime()
    last_used_at = graphene.DateTime(description="As of the last booked call.")

    @staticmethod
    def resolve_user(row: tables.ApiKey, info: graphene.ResolveInfo) -> str | None:
        return row.user or None

    @staticmethod
    def resolve_project(row: tables.ApiKey, info: graphene.ResolveInfo) -> str | None:
        return row.project or None

    @staticmethod
    def resolve_models(row: tables.ApiKey, info: graphene.ResolveInfo) -> list[str]:
        return list(row.allowed_models)


class ApiKeyInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    user = graphene.String()
    project = graphene.String()
    scopes = graphene.List(
        graphene.NonNull(graphene.String),
        description="chat (the default), workflows:read, workflows:write, admin.",
    )
    models = graphene.List(graphene.NonNull(graphene.String), description="The only ones it may use; empty: all.")
    requests_per_minute = graphene.Int()
    tokens_per_minute = graphene.Int()
    burst = graphene.Int()
    concurrent_requests = graphene.Int()
    show_cost = graphene.Boolean(description="Say in the usage of each reply what it cost; false by default.")
    expires_at = graphene.DateTime()


class CreateApiKey(graphene.Mutation):
    """Make a key. `key` is shown here and never again."""

    class Arguments:
        input = ApiKeyInput(required=True)

    key = graphene.String(required=True)
    api_key = graphene.Field(ApiKey, required=True)

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: dict[str, Any]) -> "CreateApiKey":  # noqa: A002
        row, key = services.create_key(_key_settings(input))
        return CreateApiKey(key=key, api_key=row)


class RevokeApiKey(graphene.Mutation):
    """Refuse a key from now on, for good; every gateway hears of it within a second."""

    class Arguments:
        id = graphene.ID(required=True)

    Output = ApiKey

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, id: str) -> tables.ApiKey:  # noqa: A002
        return services.revoke_key(id)


class KeyMutation(graphene.ObjectType):
    create_api_key = CreateApiKey.Field(required=True)
    revoke_api_key = RevokeApiKey.Field(required=True)


class KeyQuery(graphene.ObjectType):
    api_keys = graphene.List(graphene.NonNull(ApiKey), required=True)

    @staticmethod
    def resolve_api_keys(root: object, info: graphene.ResolveInfo) -> list[tables.ApiKey]:
        return list(selectors.list_keys())


def _key_settings(given: dict[str, Any]) -> ApiKeySettings:
    scopes = given.get("scopes")
    expires_at: datetime | None = given.get("expires_at")
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    return ApiKeySettings(
        name=given["name"],
        user=given.get("user") or "",
        project=given.get("project") or "",
        scopes=("chat",) if scopes is None else tuple(scopes),
        models=tuple(given.get("models") or ()),
        expires_at=expires_at,
        limits=Limits(
            given.get("requests_per_minute"),
            given.get("tokens_per_minute"),
            given.get("burst"),
            given.get("concurrent_requests"),
        ),
        show_cost=bool(given.get("show_cost")),
    )
