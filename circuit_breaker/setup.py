"""Brings the database to where the product can run on it: tables, built-in rows, what the environment says.

Everything is idempotent: `serve` does it at every start, `manage.py seed` by hand. The throw-away storage skips the
migrations when a copy of a freshly migrated database, kept under the hash of the migrations, is there. What is found is
returned as a SetupReport, the plain facts the start banner shows. Next: `serving.py`.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

APPS = ("billing", "llm", "workflows", "agents")


class ProviderFound(msgspec.Struct, frozen=True):
    name: str
    variables: tuple[str, ...]
    """The environment variables that are set for it."""
    address: str
    """Its base URL if it needs no key, else empty."""


class SetupReport(msgspec.Struct, frozen=True):
    providers: tuple[ProviderFound, ...]
    """Those a call could be sent to now, the sandbox not among them."""
    models: int

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox has to stand in."""
        return not self.providers


def prepare(template: Path | None = None) -> SetupReport:
    """Migrate (unless the database is a copy of `template`), seed, look around. Needs Django loaded."""
    check_database()
    if template is None or not template.exists():
        _migrate()
        if template is not None:
            _keep_template(template)
    return seed()


def check_database() -> None:
    """Raise django.db.Error, with the server's own words, unless the database lets us in.

    Postgres is asked without the connection pool, which would try again and again and then only say that time is up.
    """
    from django.db import connection

    if connection.vendor != "postgresql":
        connection.ensure_connection()
        return
    parameters = connection.get_connection_params()
    parameters.pop("pool", None)
    with connection.wrap_database_errors:
        connection.Database.connect(**parameters).close()  # type: ignore[attr-defined]


def seed() -> SetupReport:
    """Catalogue, keys of the environment, local models, the workflows every start has; each in its own transaction."""
    from llm import services as llm
    from workflows.services import seed_workflows

    llm.seed_catalogue()
    llm.sync_environment(os.environ)
    llm.discover_ollama()
    seed_workflows()
    return look_around()


def look_around() -> SetupReport:
    """Which providers could be called now, and since when we know them."""
    from llm.core.providers import SANDBOX, provider_row
    from llm.snapshots import build_snapshot

    snapshot = build_snapshot()
    found = []
    for provider in snapshot.providers:
        if provider.name == SANDBOX:
            continue
        row = provider_row(provider.name)
        address = provider.base_url if provider.auth == "none" else ""
        found.append(ProviderFound(provider.name, _environment_names(row.variables if row else ()), address))
    real = sum(1 for model in snapshot.models if model.provider != SANDBOX)
    return SetupReport(tuple(found), real)


def source_of(provider: ProviderFound, from_file: Collection[str]) -> str:
    """Where its key or address came from, for people. `from_file` are the variables that came from the .env file."""
    if provider.variables:
        return ", ".join(f"{name} in .env" if name in from_file else name for name in provider.variables)
    return f"answers at {provider.address}" if provider.address else "set in the admin or over GraphQL"


def template_path(folder: Path, root: Path) -> Path:
    """Where the migrated copy for exactly these migrations is kept; older ones are removed."""
    import django

    digest = hashlib.sha256(f"{django.VERSION}".encode())
    for app in APPS:
        for file in sorted((root / app / "migrations").glob("*.py")):
            digest.update(f"{app}/{file.name}\n".encode() + file.read_bytes())
    path = folder / f"migrated-{digest.hexdigest()[:16]}.sqlite3"
    for old in folder.glob("migrated-*.sqlite3"):
        if old != path:
            old.unlink()
    return path


def wipe_memory(database: Path, leftovers: Iterable[Path], template: Path) -> bool:
    """Throw away what a run with the memory storage left; whether the database was replaced by a migrated copy."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
    if not template.exists():
        return False
    make_private(database)
    shutil.copyfile(template, database)
    return True


def make_private(database: Path) -> None:
    """A file of this name that its owner only may read; SQLite gives its companions (-wal, -shm) the same mode."""
    try:
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        database.chmod(0o600)


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "sqlite":
        make_private(Path(str(connection.settings_dict["NAME"])))
    call_command("migrate", interactive=False, verbosity=0)


def _keep_template(path: Path) -> None:
    """Copy the migrated, still empty database; a start that is cut off here leaves no half a copy behind."""
    from django.db import connection

    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    make_private(unfinished)
    connection.ensure_connection()
    copy = sqlite3.connect(unfinished)
    try:
        connection.connection.backup(copy)
    finally:
        copy.close()
    unfinished.rename(path)


def _environment_names(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a provider's variables that are set."""
    return tuple(name for name in names if os.environ.get(name, "").strip())
