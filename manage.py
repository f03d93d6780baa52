#!/usr/bin/env python
"""Entry point of the control plane: every Django command, and `serve`, which runs the whole product."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"Django is not installed ({error}). Run `make setup`, then `.venv/bin/python manage.py`."
        ) from error
    try:
        if sys.argv[1:2] == ["serve"]:
            # Without loading the apps: it only starts the processes that do, and should be quick about it.
            from circuit_breaker.management.commands.serve import Command

            Command().run_from_argv(sys.argv)
        else:
            _warn_of_another_database()
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        raise SystemExit(f"Settings: {error}") from error


def _warn_of_another_database() -> None:
    """A command beside a running `serve`: to standard error, for the output may be read by a program."""
    if sys.argv[1:2] in ([], ["help"]) or "--help" in sys.argv:
        return
    from circuit_breaker.storage import another_database

    warning = another_database()
    if warning is not None:
        print(f"Warning: {warning}", file=sys.stderr)  # noqa: T201 - no console yet


if __name__ == "__main__":
    main()
