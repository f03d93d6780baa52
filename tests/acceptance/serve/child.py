"""A child for the supervisor's tests: says what it is told, and ends, sleeps or refuses to end."""

import signal
import sys
import time
from pathlib import Path


def main() -> None:
    behaviour, *rest = sys.argv[1:]
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "note":  # write down when SIGTERM came
        signal.signal(signal.SIGTERM, lambda *_: _note(Path(rest[0])))
    sys.stdout.write(f"running {behaviour}\n")
    sys.stdout.flush()
    if behaviour == "crash":
        sys.exit(3)
    if behaviour == "wait":
        sys.stdout.write(f"heard {sys.stdin.readline().strip()!r}\n")
        sys.stdout.flush()
    time.sleep(60)


def _note(file: Path) -> None:
    file.write_text(str(time.monotonic()))
    sys.exit(0)


if __name__ == "__main__":
    main()
