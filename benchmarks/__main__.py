"""`python -m benchmarks`: every row, one after another. A row is a module here that has a `main()`; one that misses its
target, or gives wrong replies, makes the whole end with status 1.
"""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run all rows; returns the exit status."""
    failed = []
    for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
        if module.startswith("_"):
            continue
        row = getattr(importlib.import_module(f"benchmarks.{module}"), "main", None)
        if row is None:
            continue
        print(f"--- {module}")
        try:
            row()
        except SystemExit as reason:
            if reason.code:
                print(reason.code)
                failed.append(module)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
