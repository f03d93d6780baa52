"""`manage.py serve`: the whole product from one command. What happens is in `circuit_breaker/serving.py`."""

import sys
import time
from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

DESCRIPTION = """\
Run Circuit Breaker: gateway, control plane and worker, under one supervisor.

  gateway   the OpenAI-compatible API                         OPENAI_PORT   3000
  control   GraphQL, GraphiQL, subscriptions, admin           GRAPHQL_PORT  4000
  worker    runs agents and everything else that takes time   (no port)
  sandbox   stands in when no provider is configured          SANDBOX_PORT  any free one

Nothing else is needed: by default data is thrown away at the next start, messages
between the processes are files, and without any provider key the sandbox answers.
A process that crashes is started again (after 0.25 s, doubling up to 30 s). Ctrl-C
or SIGTERM lets work in hand finish and ends everything; a second one ends it at once.
"""
EPILOG = """\
settings, from the environment or a file .env (all of them: .env.example):

  OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, ...   providers to use
  OLLAMA_BASE_URL     a local Ollama elsewhere than at http://127.0.0.1:11434
  STORAGE_BACKEND     memory (default), sqlite, postgres (with DATABASE_URL)
  DATA_DIR            where everything lies that is kept; default var/
  GATEWAY_HOST, CONTROL_HOST   addresses to listen on; default 127.0.0.1
  OPENAI_WORKERS      gateway processes on the one port; default 1
  WORKER_CONCURRENCY  threads of the worker; default 8
  CELERY_BROKER_URL   redis://... or amqp://... instead of files
  REDIS_URL           wakes live views across several control processes
  LOG_LEVEL           debug, info, warning, error

first login to the admin, in another terminal (there is no default password):

  .venv/bin/python manage.py createsuperuser

exit code: 0 ended by a signal, 1 could not start (one line says why), 130 ended at once
"""


class Command(BaseCommand):
    help = DESCRIPTION
    requires_system_checks: list[str] = []
    suppressed_base_arguments = {  # Django's own; they would bury the text above
        "--version",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
    }

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        from circuit_breaker.serving import CannotServe, serve

        try:
            code = serve(started=time.monotonic() - time.process_time())  # loading took CPU time and little else
        except CannotServe as error:
            sys.exit(f"Circuit Breaker did not start: {error}")
        sys.exit(code)
