"""The time that one question may take, of which waiting for our own pace is no part."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Final

import anyio


class _Allowance:
    """Of one question; its tasks may wait at the same time."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        self._waiting = 0
        self._left = inf

    def stop(self) -> None:
        if not self._waiting:
            self._left = self._scope.deadline - anyio.current_time()
            self._scope.deadline = inf
        self._waiting += 1

    def go_on(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._scope.deadline = anyio.current_time() + self._left


_allowance: Final[ContextVar[_Allowance | None]] = ContextVar("allowance", default=None)


@contextmanager
def allowed(seconds: float) -> Iterator[None]:
    """Limit what is done within, but for what is `not_counted`.

    Raises:
        TimeoutError: it took longer.
    """
    with anyio.fail_after(seconds) as scope:
        token = _allowance.set(_Allowance(scope))
        try:
            yield
        finally:
            _allowance.reset(token)


@contextmanager
def not_counted() -> Iterator[None]:
    """Time within is not that of the question it belongs to.

    As long as one of its tasks waits so, it runs for none: each answer has a deadline of its own.
    """
    allowance = _allowance.get()
    if allowance is None:
        yield
        return
    allowance.stop()
    try:
        yield
    finally:
        allowance.go_on()
