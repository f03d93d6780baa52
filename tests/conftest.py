"""What every layer of tests shares: a data directory of their own, and the rule about missing services.

A test that needs a service calls `need_postgres()` or the like: without the service it is skipped with the reason, and
under `CI=true` it fails instead, so that CI never passes by not looking.
"""

import os
import tempfile

# Before Django reads its settings: tests never touch the data of a running product.
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="circuit-breaker-tests-"))
