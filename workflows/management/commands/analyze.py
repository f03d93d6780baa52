"""`manage.py analyze FILE|WORKFLOW`: what a workflow can and cannot do, before a token moves or a dollar is spent.

Reads a definition (the JSON that `createWorkflow` takes) from a file or standard input, or a stored workflow, and
prints the verdicts of `workflows/core/analysis`. A file needs no database. Exit code 0: sound; 1: not sound or a proof
failed; 2: bad input.
"""

import json
import math
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows.core.analysis.plain import PlainNet, plain_net
from workflows.core.analysis.questions import Prices, unreachable_without
from workflows.core.analysis.report import Report, analyse
from workflows.core.analysis.structure import Found
from workflows.core.analysis.verdict import Answer, Limits, Verdict, until
from workflows.core.net import Net
from workflows.core.notation import nearest
from workflows.management.definitions import read_net

NANO = 1_000_000_000
MAXIMUM_TOKENS = 1_000_000
EXAMPLES = """examples:
  manage.py analyze review.json
  manage.py analyze review.json --price review=0.02 --price publish=0.10
  manage.py analyze deploy.json --needs to_production:approve      (approval proof)
  manage.py analyze - --json < review.json"""


class Command(BaseCommand):
    help = "Analyse a workflow definition: soundness, bounds, deadlocks, worst price, approval proofs."
    requires_system_checks = []

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        return super().create_parser(*args, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", help="a JSON or PNML file, - for standard input, or a stored workflow's id")
        parser.add_argument(
            "--price",
            action="append",
            default=[],
            metavar="NAME=USD",
            help="cost of one firing (where it has several attempts, of each), or of a token's arrival at a place",
        )
        parser.add_argument(
            "--tokens",
            action="append",
            default=[],
            metavar="PLACE=COUNT",
            help="begin with these tokens instead of one",
        )
        parser.add_argument(
            "--needs",
            action="append",
            default=[],
            metavar="ACTION:APPROVAL[,APPROVAL]",
            help="prove that ACTION cannot fire before one of the approvals has",
        )
        parser.add_argument(
            "--states", type=int, default=Limits().states, help="most markings to look at (%(default)s)"
        )
        parser.add_argument("--seconds", type=float, default=Limits().seconds, help="longest time (%(default)s)")
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["states"] < 1 or not options["seconds"] > 0:
            raise CommandError("--states must be 1 or more, --seconds more than 0.", returncode=2)
        whole = read_net(options["workflow"])
        net = plain_net(whole, _tokens(options["tokens"], whole))
        prices = _prices(options["price"], whole)
        limits = Limits(states=options["states"], seconds=options["seconds"])
        report = analyse(whole, _tokens(options["tokens"], whole), prices, limits)
        proofs = {given: _proof(given, net, limits) for given in options["needs"]}
        if options["json"]:
            written = {"report": asdict(report), "proofs": {name: asdict(proof) for name, proof in proofs.items()}}
            self.stdout.write(json.dumps(_plain(written), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report, proofs, bool(options["price"]))))
        if not report.sound.holds or not all(proof.holds for proof in proofs.values()):
            sys.exit(1)


def _prices(given: list[str], net: Net) -> Prices:
    """Prices by name; a name that is both a transition's and a place's is the transition's."""
    transitions: dict[str, int] = {}
    places: dict[str, int] = {}
    for one in given:
        name, _, amount = one.rpartition("=")
        try:
            nano = Decimal(amount) * NANO
        except InvalidOperation:
            raise CommandError(f"--price {one}: write NAME=USD, as in review=0.02.", returncode=2) from None
        if not nano.is_finite() or nano < 0:
            raise CommandError(f"--price {one}: a price is zero or more.", returncode=2)
        if name not in net.transitions and name not in net.places:
            hint = nearest(name, [*net.transitions, *net.places])
            raise CommandError(f"--price: no transition or place {name!r}{hint}", returncode=2)
        (transitions if name in net.transitions else places)[name] = math.ceil(nano)
    return Prices(transitions, places)


def _tokens(given: list[str], net: Net) -> dict[str, int] | None:
    counts: dict[str, int] = {}
    for one in given:
        place, _, count = one.rpartition("=")
        if place not in net.places:
            raise CommandError(f"--tokens: no place {place!r}{nearest(place, net.places)}", returncode=2)
        if not (count.isascii() and count.isdecimal() and int(count[:10]) <= MAXIMUM_TOKENS):
            raise CommandError(f"--tokens {one}: write PLACE=COUNT, at most {MAXIMUM_TOKENS}.", returncode=2)
        counts[place] = int(count)
    return counts or None


def _proof(given: str, net: PlainNet, limits: Limits) -> Verdict:
    action, _, written = given.partition(":")
    approvals = [name for name in written.split(",") if name]
    for name in (action, *approvals):
        _known(name, net, "--needs")
    return unreachable_without(net, action, approvals, limits, until(limits.seconds))


def _known(name: str, net: PlainNet, option: str) -> None:
    if name not in net.transitions:
        raise CommandError(f"{option}: no transition {name!r}; there are {', '.join(net.transitions)}.", returncode=2)


def _lines(report: Report, proofs: dict[str, Verdict], priced: bool) -> Iterator[str]:
    """For people. Liveness is left to --json: a case that ends is never live."""
    for name, verdict in (
        ("sound", report.sound),
        ("bounded", report.bounded),
        ("free of deadlocks", report.deadlock_free),
        ("every transition can fire", report.dead_transitions),
        *((f"{needs.partition(':')[0]} needs {needs.partition(':')[2]}", proof) for needs, proof in proofs.items()),
    ):
        yield from _verdict(name, verdict)
    worst = report.worst_price
    if priced:
        dearest = {
            Answer.TRUE: f"at most {(worst.nano or 0) / NANO:.9f} USD",
            Answer.FALSE: f"unbounded: {', '.join(worst.loop)} can be paid for ever",
            Answer.UNKNOWN: f"UNKNOWN  {worst.note}",
        }
        yield f"{'worst price':28}{dearest[worst.answer]}"
        if worst.trace:
            yield f"{'':28}by firing {', '.join(worst.trace)}"
    for name, found in (("P-invariants", report.place_invariants), ("T-invariants", report.transition_invariants)):
        yield f"{name:28}{_sums(found)}"
    more = "" if report.complete else f" (stopped at {report.stopped})"
    yield f"{'state space':28}{report.states:,} markings, {report.edges:,} firings{more}"
    for number, line in enumerate(report.abstracted):
        yield f"{'' if number else 'left out':28}{line}"


def _verdict(name: str, verdict: Verdict) -> Iterator[str]:
    yield f"{name:28}{verdict.answer.value:9}{verdict.note}".rstrip()
    if verdict.witness:
        yield f"{'':28}{', '.join(verdict.witness)}"
    if verdict.trace:
        yield f"{'':28}after firing {', '.join(verdict.trace)}"


def _sums(found: Found) -> str:
    if not found.sets:
        return "none" if found.complete else "not found within the limit"
    shown = [
        " + ".join(name if weight == 1 else f"{weight}*{name}" for name, weight in each.items()) for each in found.sets
    ]
    return "; ".join(shown[:5]) + (f"; and {len(shown) - 5} more" if len(shown) > 5 else "")


def _plain(value: Any) -> Any:
    """JSON has no infinity: an unbounded place is written as null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return None if value == math.inf else value
