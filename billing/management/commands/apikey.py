"""`manage.py apikey create|list|revoke`: API keys of clients from the command line. A key is printed once."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import selectors, services
from billing.core.errors import BillingError
from billing.core.keys import SCOPES, ApiKeySettings, Limits

COLUMNS = ("id", "key", "state", "expires", "last used", "scopes", "models", "name")
LIMITS = ("requests_per_minute", "tokens_per_minute", "burst", "concurrent_requests")


class Command(BaseCommand):
    help = "Make, list and revoke the API keys clients send to the gateway."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="make a key and print it, this once")
        create.add_argument("name", help="who uses it, for what")
        create.add_argument("--user", default="", help="calls are booked on this user")
        create.add_argument("--project", default="", help="calls are booked on this project")
        create.add_argument("--scope", action="append", dest="scopes", metavar="SCOPE", help=", ".join(SCOPES))
        create.add_argument("--model", action="append", dest="models", default=[], help="one of the only ones allowed")
        create.add_argument("--expires", type=_moment, help="e.g. 2030-01-31 or 2030-01-31T12:00:00+00:00")
        create.add_argument("--requests-per-minute", type=int)
        create.add_argument("--tokens-per-minute", type=int)
        create.add_argument("--burst", type=int, help="requests that may come at once; else a minute's worth")
        create.add_argument("--concurrent-requests", type=int)
        create.add_argument("--show-cost", action="store_true", help="say in the usage of each reply what it cost")
        commands.add_parser("list", help="all keys; never the keys themselves")
        revoke = commands.add_parser("revoke", help="refuse a key from now on")
        revoke.add_argument("id", help="as in the list")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"create": self._create, "list": self._list, "revoke": self._revoke}[options["command"]](options)
        except BillingError as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        settings = ApiKeySettings(
            options["name"],
            options["user"],
            options["project"],
            tuple(options["scopes"] or ("chat",)),
            tuple(options["models"]),
            options["expires"],
            Limits(*(options[name] for name in LIMITS)),
            options["show_cost"],
        )
        row, key = services.create_key(settings)
        self.stdout.write(key)
        self.stderr.write(
            f"API key {row.pk} was made. It is shown this once: only its hash is kept. Gateways "
            "know it within a second."
        )
        if row.expires_at is not None:
            self.stderr.write(f"It expires at {_shown(row.expires_at)}.")
        if row.allowed_models:
            self.stderr.write(f"It may use {', '.join(row.allowed_models)} only: names as GET /v1/models shows them.")

    def _list(self, options: dict[str, Any]) -> None:
        rows = selectors.list_keys()
        if not rows:
            self.stdout.write("There are no API keys. Make one: manage.py apikey create NAME")
            return
        self.stdout.write("\t".join(COLUMNS))
        for row in rows:
            state = "revoked" if row.revoked_at else "expired" if row.expired(datetime.now(UTC)) else "valid"
            columns = (
                *(row.pk, row.hint, state, _shown(row.expires_at), _shown(row.last_used_at)),
                *(",".join(row.scopes), ",".join(row.allowed_models) or "all", row.name),
            )
            self.stdout.write("\t".join(map(str, columns)))

    def _revoke(self, options: dict[str, Any]) -> None:
        row = services.revoke_key(options["id"])
        self.stdout.write(f"API key {row.pk} ({row.name}) is revoked; gateways refuse it within a second.")


def _shown(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date: write 2030-01-31 or 2030-01-31T12:00:00+00:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
