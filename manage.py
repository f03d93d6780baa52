#!/usr/bin/env python
"""Entry point of the control plane: every Django command, and `serve`, which runs the whole product."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(f"Django is not installed ({error}). Run `make setup`, then `.venv/bin/python manage.py`.") from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
