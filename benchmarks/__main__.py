"""`python -m benchmarks`: every row against its limit, one after another; with `--against-peers`, the rows with peers.

A row is a module here that has a `main()`, and `main_peers()` if it is also measured against other products. One that
misses its target, or gives wrong replies, makes the whole end with status 1.
"""

import importlib
import pkgutil
import sys
import time

import benchmarks


def main() -> int:
    """Run all rows; returns the exit status."""
    entry = "main_peers" if "--against-peers" in sys.argv else "main"
    if entry == "main_peers":
        print("The peers are installed first (two minutes and 2 GB, removed afterwards); about seven minutes in all.")
    failed = []
    began = time.monotonic()
    for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
        if module.startswith("_"):
            continue
        row = getattr(importlib.import_module(f"benchmarks.{module}"), entry, None)
        if row is None or row.__module__ != f"benchmarks.{module}":
            continue
        print(f"--- {module}", flush=True)
        try:
            row()
        except SystemExit as reason:
            if reason.code:
                print(reason.code)
                failed.append(module)
    print(f"--- {time.monotonic() - began:.0f} seconds")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
