"""Before Django reads its settings: tests get a data directory and a database of their own."""

import os
import tempfile

from tests.services import POSTGRES

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="circuit-breaker-tests-"))
if os.environ.get("STORAGE_BACKEND") == "postgres":
    os.environ.setdefault("DATABASE_URL", POSTGRES)
