"""What a daemon has at its start stays: Python's search for garbage leaves it alone.

A whole search holds up everything, the event loop included, for a tenth of a second and more: as long as a
message may take. Nearly all that it looks through was made at the start and is used until the end.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled() -> Iterator[None]:
    """Search through what is made from now on alone; afterwards, as after a reload, through all again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
