"""What a count is made of: its largest parts by name, and the words for them. Pure, of a row that is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from watcher.engine.detector import Panel
from watcher.model.incident import Evidence
from watcher.model.labels import LabelSet
from watcher.model.words import number

SHOWN: Final = 5
"""Parts that evidence names."""
SAID: Final = 3
"""Parts that the text names where none is most of it."""
MOSTLY: Final = 0.5
"""A part with such a share is said alone."""


def with_parts(
    found: Evidence, panel: Panel, row: int, *, role: str, whole: str, words: Sequence[str]
) -> Evidence:
    """Evidence that names what makes up a count over its window: in `parts`, and in the text.

    `role` keeps the parts apart (`Role.detail`), `whole` is what they are shares of, and `words` are the
    labels that the text calls a part by, in this order. A vendor may not list all parts: shares are of the
    whole count, and where the parts come to more than it, of their own sum.
    """
    window = panel.end - found.start
    counts = panel.parts(role, row, window)
    if not counts:
        return found
    total = float(np.nan_to_num(panel.total(whole, window)[row]))
    shares = {labels: count / max(total, sum(counts.values())) for labels, count in counts.items()}
    shown = tuple(
        {**dict(labels), "count": number(counts[labels]), "share": share_of(shares[labels])}
        for labels in list(counts)[:SHOWN]
    )
    return replace(found, text=f"{found.text}; {_said(shares, words)}", parts=shown)


def share_of(share: float) -> str:
    """``0.973`` is ``97 %``: whole per cent, and neither nothing nor all where it is not."""
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{min(round(share * 100), 99) if share < 1 else 100} %"


def _said(shares: Mapping[LabelSet, float], words: Sequence[str]) -> str:
    """``mostly 502 (97 %)``; or the first few, as what comes most often only where nothing unnamed does."""
    named = [f"{_called(labels, words)} ({share_of(share)})" for labels, share in shares.items()]
    largest = max(shares.values())
    if largest >= MOSTLY:
        return f"mostly {named[0]}"
    is_most = largest >= 1 - sum(shares.values())
    return f"{'most often' if is_most else 'among them'} {', '.join(named[:SAID])}"


def _called(labels: LabelSet, words: Sequence[str]) -> str:
    own = dict(labels)
    return " ".join(own[name] for name in words if own.get(name))
