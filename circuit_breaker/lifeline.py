"""`python -m circuit_breaker.lifeline MODULE …` runs a module that ends when its parent does, however the parent ends.

On Linux the kernel does it (PR_SET_PDEATHSIG): `kill -9` of the parent kills the child at once. Elsewhere a thread
waits for the end of standard input, a pipe whose other end the parent holds, and ends the process. No Django here: the
gateway is started by it too. Not promised: anything about grandchildren; none of our processes has any.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
PARENT = "CIRCUIT_BREAKER_PARENT"
"""Environment variable with the parent's process id: it may have died before we could ask the kernel."""


def hold(parent: int) -> None:
    """End this process as soon as process `parent`, which started it, is gone."""
    if sys.platform == "linux":
        hold_by_kernel(parent)
    else:
        threading.Thread(target=hold_by_pipe, name="lifeline", daemon=True).start()


def hold_by_kernel(parent: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(1)


def hold_by_pipe() -> None:
    """Read standard input to its end, then end the process. What is written there besides is ignored."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    parent = os.environ.pop(PARENT, "")
    if parent:
        hold(int(parent))
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
