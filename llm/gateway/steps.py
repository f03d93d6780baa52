"""How a call runs: a coroutine stepped directly by the events it awaits, without a task and a turn of the event loop
between.

`conduct(coroutine)` runs it at once up to its first wait. `await signal` waits for a `Signal`; whoever calls
`signal.fire()` runs the coroutine on from there, in its own stack. An asyncio future (a task, a sleep) may be awaited
as well. Why: a task, its futures and their turns cost as much as everything else the gateway does for a request. The
price: code in a conducted coroutine has no current task, so `asyncio.timeout` does not work there; what needs it runs
in a task and is awaited.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from typing import Any

log = logging.getLogger(__name__)


class Signal:
    """Something that happens once and that one coroutine may wait for."""

    __slots__ = ("_waiter", "fired")

    def __init__(self) -> None:
        self.fired = False
        self._waiter: Callable[[], None] | None = None

    def fire(self) -> None:
        """It has happened. A second call does nothing."""
        self.fired = True
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter()

    def resume_with(self, step: Callable[[], None]) -> None:
        self._waiter = step

    def __await__(self) -> "Generator[Signal, None, None]":
        if not self.fired:
            yield self


class Conductor:
    """Steps one coroutine to its end. Its errors are the coroutine's own business: one that escapes is logged."""

    __slots__ = ("_send",)

    def __init__(self, coroutine: Coroutine[Any, None, None]) -> None:
        self._send = coroutine.send

    def step(self, _: object = None) -> None:
        try:
            awaited = self._send(None)
        except StopIteration:
            return
        except Exception:  # nobody awaits a conducted coroutine, so this is the last place that can tell
            log.exception("A conducted coroutine failed.")
            return
        if type(awaited) is Signal:
            awaited.resume_with(self.step)
        elif awaited is None:  # asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(self.step)
        else:
            awaited._asyncio_future_blocking = False  # what a task does on taking over a future it awaits
            awaited.add_done_callback(self.step)


def conduct(coroutine: Coroutine[Any, None, None]) -> None:
    """Run `coroutine` up to its first wait now, and on from there as its waits end."""
    Conductor(coroutine).step()
