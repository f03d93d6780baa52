"""A small schema in place of the product's: resolvers that answer, refuse, break, and streams that can be watched."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import graphene
import pytest
from django.db import OperationalError

from circuit_breaker.graphql import execution


class NotEnabled(Exception):
    code: ClassVar[str] = "NOT_ENABLED"

    def __init__(self) -> None:
        super().__init__("The transition is not enabled.")
        self.details = {"reasons": ["no token"]}


class Watched:
    """What the streams did, for tests to look at."""

    opened: ClassVar[int] = 0
    closed: ClassVar[int] = 0


class Node(graphene.ObjectType):
    name = graphene.String()
    node = graphene.Field(lambda: Node)

    def resolve_node(self, info: Any) -> "Node":
        return Node(name="below")


class Query(graphene.ObjectType):
    hello = graphene.String(name=graphene.String(default_value="world"))
    node = graphene.Field(Node)
    broken = graphene.String()
    refused = graphene.String()
    away = graphene.String()
    request_id = graphene.String()

    def resolve_hello(self, info: Any, name: str) -> str:
        return f"Hello, {name}"

    def resolve_node(self, info: Any) -> Node:
        return Node(name="top")

    def resolve_broken(self, info: Any) -> str:
        raise RuntimeError("the password is hunter2")

    def resolve_refused(self, info: Any) -> str:
        raise NotEnabled

    def resolve_away(self, info: Any) -> str:
        raise OperationalError("connection to 10.1.2.3 refused")

    def resolve_request_id(self, info: Any) -> str:
        return str(info.context.request_id)


class Note(graphene.Mutation):
    class Arguments:
        text = graphene.String(required=True)

    Output = graphene.String

    def mutate(self, info: Any, text: str) -> str:
        return text.upper()


class Mutation(graphene.ObjectType):
    note = Note.Field()


class Subscription(graphene.ObjectType):
    count = graphene.Int(to=graphene.Int(required=True))
    endless = graphene.Int()
    breaks = graphene.Int()
    refuses = graphene.Int()

    async def subscribe_count(self, info: Any, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number

    async def subscribe_endless(self, info: Any) -> AsyncIterator[int]:
        Watched.opened += 1
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            Watched.closed += 1

    async def subscribe_breaks(self, info: Any) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("the password is hunter2")

    async def subscribe_refuses(self, info: Any) -> AsyncIterator[int]:
        raise NotEnabled
        yield 0


@pytest.fixture
def small_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Watched.opened = Watched.closed = 0
    schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)
    monkeypatch.setattr(execution, "load_schema", lambda: schema.graphql_schema)
    execution._checked.cache_clear()
    yield
    execution._checked.cache_clear()
