"""The gateway's busiest modules as machine code: built once by `make serve` where there is a C compiler.

`python -m llm.gateway.compiled` translates MODULES with mypyc (part of mypy) and a C compiler into a folder of the
virtual environment. `use`, called before any of them is imported, lets Python find them there, but only if they were
built from exactly the present sources and by this Python: after any change the sources are run as ever, and the log
says so. Nothing depends on it: without the folder the sources are run. `/health` tells which.
"""

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(sys.prefix) / "compiled"
active = False
"""Whether `use` has found a build."""
MODULES = (
    "llm.core.allowance",
    "llm.core.buckets",
    "llm.core.dialects.openai",
    "llm.core.operations.members",
    "llm.core.routing",
    "llm.core.sse",
    *(
        f"llm.gateway.{name}"
        for name in (
            *("admission", "answer_head", "asking", "call", "connection", "endpoint", "exchange", "gateway", "ids"),
            *("journal", "limiter", "metrics", "outbox", "pipeline", "provider_connection", "register"),
            *("request_reader", "steps", "streams", "upstream"),
        )
    ),
)
"""Those that take part in every call and define no msgspec Struct, which mypyc cannot translate. Their annotations are
held to when they run: a list where a tuple is promised is an error."""
PATIENCE = 180.0
"""Seconds a set-up waits before it goes on without."""
QUICKLY = {"MYPYC_OPT_LEVEL": "2", "MYPYC_DEBUG_LEVEL": "0"}
"""mypyc's defaults take twice the time and memory."""
SETTINGS = "[mypy]\nfollow_imports = silent\nignore_missing_imports = true\n"


class Finder(MetaPathFinder):
    """Finds MODULES where they are compiled, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        package = FOLDER.joinpath(*fullname.split(".")[:-1])
        return PathFinder.find_spec(fullname, [str(package)])


def use() -> None:
    """Let the modules be imported compiled, if there are any made of these sources."""
    global active
    if not FOLDER.exists():
        return
    if not is_current():
        log.warning("The compiled gateway in %s is of other sources and not used; run `make compile`.", FOLDER)
        return
    sys.path.append(str(FOLDER))  # what the modules share lies there, under a name of its own
    sys.meta_path.insert(0, Finder())
    active = True


def is_current() -> bool:
    """Whether there is a build, of the present sources."""
    try:
        return (FOLDER / "stamp").read_text() == stamp()
    except OSError:
        return False


def stamp() -> str:
    """What a build is good for: these sources, this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for name in MODULES:
        digest.update(_source(ROOT, name).read_bytes())
    return digest.hexdigest()


def build(seconds: float | None = None) -> None:
    """Compile, within so many seconds. Raises SystemExit with what is missing, or with the compiler's words."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        raise SystemExit("A C compiler is needed (Debian: apt install gcc python3-dev).")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for package in ("llm", "billing"):
            shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__", "migrations"))
        (work / "mypy.ini").write_text(SETTINGS)
        sources = [str(_source(work, module).relative_to(work)) for module in MODULES]
        _run([sys.executable, "-m", "mypyc", *sources], work, seconds)
        shutil.rmtree(FOLDER, ignore_errors=True)
        for made in [*work.glob("*.so"), *work.glob("llm/**/*.so"), *work.glob("*.pyd"), *work.glob("llm/**/*.pyd")]:
            place = FOLDER / made.relative_to(work)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(made, place)
        (FOLDER / "stamp").write_text(stamp())


def _run(command: list[str], work: Path, seconds: float | None) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter on our own files
        command,
        cwd=work,
        env={**QUICKLY, **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"Compiling took over {seconds:g} seconds; `make compile` waits for it.") from None
    finally:
        if process.poll() is None:  # the compiler it has started ends with it
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise SystemExit(f"mypyc failed:\n{said[-4000:]}\n{errors[-4000:]}")


def _source(root: Path, module: str) -> Path:
    return root.joinpath(*module.split(".")).with_suffix(".py")


def build_if_possible() -> str:
    """Build, unless it is there. Returns the line to show; what stands in the way is no error, the sources will do."""
    if not is_current():
        try:
            build(PATIENCE)
        except SystemExit as reason:
            first, *_, last = [*str(reason).strip().splitlines(), ""]
            return f"The gateway will run as plain Python, a third slower. {first} {last}".rstrip()
    return f"{len(MODULES)} modules of the gateway are compiled."


if __name__ == "__main__":
    if "--if-possible" in sys.argv:
        print(build_if_possible())  # noqa: T201 - a command says what it did
    else:
        build()
        print(f"{len(MODULES)} modules are compiled in {FOLDER}.")  # noqa: T201 - the same
