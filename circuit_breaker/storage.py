"""Which database this process uses, and whether a `serve` that runs on the same DATA_DIR uses another.

A command such as `createsuperuser` with another STORAGE_BACKEND than the running product would write where nobody
looks: it is told so, in one line, and goes on. The register of `serve` (`supervisor.py`) says what that one uses.
"""

import json
import os
from typing import Any

from circuit_breaker import settings

REGISTER = "serve.json"
"""In DATA_DIR: the process ids of the supervisor and its children, and their database."""


def which_database() -> str:
    """Its kind and its place, without a password."""
    used: dict[str, Any] = settings.DATABASES["default"]
    place = used["NAME"]
    if settings.STORAGE_BACKEND == "postgres":
        place = f"{used.get('HOST') or 'localhost'}:{used.get('PORT') or 5432}/{used['NAME']}"
    return f"STORAGE_BACKEND={settings.STORAGE_BACKEND}, {place}"


def another_database() -> str | None:
    """What to tell who runs a command while `serve` uses another database; None: nothing."""
    try:
        running = json.loads((settings.DATA_DIR / REGISTER).read_text())
        theirs, supervisor = str(running["database"]), int(running["supervisor"])
        os.kill(supervisor, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none runs, or none that says
    if not theirs or theirs == which_database():
        return None
    return (
        f"The `serve` that runs on {settings.DATA_DIR} uses another database ({theirs}) than this command "
        f"({which_database()}): set STORAGE_BACKEND and DATABASE_URL as for `serve`, or it will not see this."
    )
