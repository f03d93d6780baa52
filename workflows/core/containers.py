"""The command line that runs a function's image: once, as nobody, without rights, with its limits.

Values of variables never stand on a command line, where every user of the machine could read them: the runtime's client
takes them from its own environment (`--env NAME`). The flags are those docker and podman share.
"""

from collections.abc import Iterable

from workflows.core.functions import Container, Limits

NOBODY = "65534:65534"
RUNTIME_FAILED = 125
"""The exit code with which `docker run` and `podman run` say that the fault is theirs, not the container's."""


def run_line(
    runtime: str, name: str, container: Container, limits: Limits, variables: Iterable[str]
) -> tuple[str, ...]:
    """`runtime run …`; `name` is the container's, by which `kill_line` finds it."""
    return (
        *(runtime, "run", "--rm", "--interactive", "--name", name, "--log-driver", "none"),
        *("--network", container.network, "--read-only", "--tmpfs", f"/tmp:rw,size={limits.file_mb}m"),  # noqa: S108
        *("--user", NOBODY, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", f"{limits.memory_mb}m", "--memory-swap", f"{limits.memory_mb}m"),
        *("--pids-limit", str(limits.processes), "--ulimit", f"nofile={limits.open_files}:{limits.open_files}"),
        *("--ulimit", f"cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}", "--ulimit", "core=0:0"),
        *(part for variable in variables for part in ("--env", variable)),
        *(container.image, *container.argv),
    )


def kill_line(runtime: str, name: str) -> tuple[str, ...]:
    return (runtime, "kill", name)
