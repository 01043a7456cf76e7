"""Ending in spite of threads that hang: a name server or a library's connection that nobody can interrupt."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Thread
from time import monotonic
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE: Final = 1.0
"""Seconds that threads get to end by themselves."""


class Unwaited(ThreadPoolExecutor):
    """Where a loop looks names up: each call has a thread of its own, which no process waits for as it ends.

    The usual one has few threads: some look-ups that hang would hold up all others, and the end for as long.
    There are as many threads as names are looked up at once, which sources and targets bound.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin at once."""
        future: Future[T] = Future()
        Thread(target=_carry_out, args=(future, partial(fn, *args, **kwargs)), daemon=True).start()
        return future


def _carry_out(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - a thread's rim: whoever waits for the future gets it
        future.set_exception(error)
    else:
        future.set_result(result)


def leave(code: int) -> None:
    """End the process where threads hang that Python would wait for; come back where none does.

    Whoever presses Ctrl-C by then does not want to wait even that long. What cannot be written is lost either
    way, and the command has said so where it mattered.
    """
    deadline = monotonic() + PATIENCE
    waited_for = [
        one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon
    ]
    with suppress(KeyboardInterrupt):
        for thread in waited_for:
            thread.join(max(0, deadline - monotonic()))
    if any(thread.is_alive() for thread in waited_for):
        logging.shutdown()
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError, ValueError):  # full, or closed
                stream.flush()
        os._exit(code)
