"""A pytest plugin, loaded by `-p` before Django reads its settings: tests get a data directory and a database of their own.

A conftest.py would come too late: pytest-django reads the settings while conftests are still being collected.
"""

import os
import tempfile

from tests.services import POSTGRES

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="circuit-breaker-tests-"))
os.environ.setdefault("ENV_FILE", "/nonexistent/.env")
if os.environ.get("STORAGE_BACKEND") == "postgres":
    os.environ.setdefault("DATABASE_URL", POSTGRES)
