"""`manage.py webhook receive|send|list|remove`: addresses others post to, and addresses that are told of events.

The secret is printed once, when a webhook is made. Exit code 2: bad input.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows import selectors, services
from workflows.core.errors import WorkflowError


class Command(BaseCommand):
    help = "Make, list and remove signed webhooks, in (receive) and out (send)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="all webhooks")
        receive = actions.add_parser("receive", help="an address that opens cases or fires a transition")
        receive.add_argument("name")
        receive.add_argument("--workflow", required=True, metavar="ID")
        receive.add_argument("--transition", default="", metavar="ID", help="fire it; without, a message opens a case")
        receive.add_argument("--signal", default="", metavar="NAME", help="send it to the cases that wait for it")
        receive.add_argument("--token-field", default="tokenId", help="where the token's id stands (%(default)s)")
        receive.add_argument("--secret", help="whsec_…, if the sender has one already")
        send = actions.add_parser("send", help="tell an address of what happens")
        send.add_argument("name")
        send.add_argument("url")
        send.add_argument("--workflow", metavar="ID", help="only of this workflow")
        send.add_argument("--event", action="append", default=[], help="only this kind; may be given several times")
        send.add_argument("--private-address", action="store_true", help="the host may have a private address")
        send.add_argument("--secret", help="whsec_…, if the receiver has one already")
        remove = actions.add_parser("remove", help="forget a webhook")
        remove.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except WorkflowError as error:
            raise CommandError(str(error), returncode=2) from None

    def _receive(self, options: dict[str, Any]) -> None:
        row, secret = services.add_incoming_webhook(
            options["name"],
            options["workflow"],
            transition=options["transition"],
            signal=options["signal"],
            token_field=options["token_field"],
            secret=options["secret"],
        )
        print(f"Post to /hooks/{row.pk} on the control plane.\nSecret, shown this once: {secret}")

    def _send(self, options: dict[str, Any]) -> None:
        row, secret = services.add_webhook_subscription(
            options["name"],
            options["url"],
            workflow_id=options["workflow"],
            events=options["event"],
            private_address=options["private_address"],
            secret=options["secret"],
        )
        print(f"{row.url} is told from now on.\nSecret, shown this once: {secret}")

    def _list(self, options: dict[str, Any]) -> None:
        incoming, outgoing = selectors.webhooks()
        for hook in incoming:
            signal = f"is the signal {hook.signal}" if hook.signal else ""
            does = signal or (f"fires {hook.transition}" if hook.transition else "opens a case")
            print(f"in   {hook.name:<24} /hooks/{hook.pk} {does} of {hook.workflow_id}")
        for row in outgoing:
            state = "" if row.enabled else " (off)"
            of, what = row.workflow_id or "all workflows", ", ".join(row.events) or "all"
            print(f"out  {row.name:<24} {row.url} {of}: {what}{state}")
        if not incoming and not outgoing:
            print("There is no webhook.")

    def _remove(self, options: dict[str, Any]) -> None:
        services.remove_webhook(options["name"])
        print(f"{options['name']} is removed.")
