"""What costs many windows is asked of the rows that breach, where these are few. Pure."""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import Panel, Usual

FEW: Final = 512
"""Rows whose bins are sooner read once more than windows of all rows are kept."""
PART: Final = 4
"""Nor are they more than one in so many."""


@runtime_checkable
class Narrows(Protocol):
    """A panel that can show some of its rows alone."""

    def narrowed(self, rows: NDArray[np.intp]) -> Panel:
        """The same of some of its rows, in this order."""
        ...


def where_also(
    breach: NDArray[np.bool_],
    panel: Panel,
    usual: Usual,
    ask: Callable[[Panel, Usual], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """Where a breach also answers yes to one more question; `ask` is elementwise along the last axis.

    Windows of all rows that only a breach asks for would all be summed afresh whenever one comes.
    """
    rows = np.flatnonzero(breach.reshape(-1, breach.shape[-1]).any(axis=0))
    if not rows.size:
        return breach
    if len(rows) > FEW or len(rows) * PART > breach.shape[-1] or not isinstance(panel, Narrows):
        return breach & ask(panel, usual)
    found = np.zeros_like(breach)
    own = {name: column[..., rows] for name, column in usual.items()}
    found[..., rows] = breach[..., rows] & ask(panel.narrowed(rows), own)
    return found
