"""Lists within items, which cost a call each: domains of distributions, members of groups.

A reading asks for a few of them, those longest not asked for first, so that its cost has a bound however many
items there are. What was read before stands meanwhile, and for one reading that fails.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from watcher.collect.vendors.leaseweb.api import Gone
from watcher.collect.vendors.leaseweb.paging import Listed, ListKind, Lists
from watcher.collect.words import printable
from watcher.errors import CollectError, ContractBroken, RequestRefused, VendorFailed

MOST: Final = 25
"""Items whose lists one reading asks for."""
PATIENT: Final = 30.0
"""Seconds that a reading may wait for its turns, since it has a deadline."""
_FAILURES: Final = 3
"""Of the vendor, in one reading, after which it is not asked for others: each costs retries."""
_PATIENCE: Final = 2
"""Failures of one item in a row, after which what was known of it is no longer believed."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of the items that are there."""

    lists: Mapping[str, Listed]
    """By item; of one that is missing nothing is known."""
    gone: Collection[str] = ()
    """Items that were deleted after the list of items was read."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Items whose newest reading failed, and why."""

    @property
    def complete(self) -> bool:
        """Whether all that was read is all there is."""
        return not self.refused and all(listed.complete for listed in self.lists.values())

    @property
    def remark(self) -> str:
        """What could not be read, in words."""
        if not self.refused:
            return ""
        item, why = next(iter(self.refused.items()))
        more = f" and of {len(self.refused) - 1} more" if len(self.refused) > 1 else ""
        return f"nothing new of {printable(item)}{more}: {why}"


class DetailReader:
    """Reads one kind of list within items, in turn."""

    def __init__(self, lists: Lists, items: ListKind, inner: ListKind, most: int) -> None:
        """`most` is how many items one reading asks for."""
        self._most = most
        self._lists = lists
        self._items = items
        self._inner = inner
        self._known: dict[str, Listed] = {}
        self._turns: dict[str, int] = {}
        """When an item was last asked for, in items asked for since the start."""
        self._asked = 0
        self._refused: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        """In a row, by item."""

    async def read(self, items: Collection[str]) -> Details:
        """The lists of these items, some of them anew; those of others are forgotten.

        Raises:
            CollectError: what is no fault of one item; or the vendor failed on several, or on all.
        """
        for memory in (self._known, self._turns, self._refused, self._failures):
            _forget(memory, items)
        due = sorted(items, key=lambda item: self._turns.get(item, 0))[: self._most]
        gone, failed, broken = set[str](), 0, 0
        for item in due:
            try:
                if not await self._read_one(item):
                    gone.add(item)
            except (RequestRefused, VendorFailed, ContractBroken) as error:
                self._refuse(item, error)
                failed += isinstance(error, VendorFailed)
                broken += isinstance(error, ContractBroken)
                if failed >= min(_FAILURES, len(due)) or broken == len(due):
                    raise
        return Details(dict(self._known), gone, dict(self._refused))

    def _refuse(self, item: str, error: CollectError) -> None:
        self._refused[item] = str(error)
        self._failures[item] = self._failures.get(item, 0) + 1
        if self._failures[item] >= _PATIENCE:
            self._known.pop(item, None)

    async def _read_one(self, item: str) -> bool:
        """Whether the item is still there; what it holds is then known."""
        self._asked += 1
        self._turns[item] = self._asked
        try:
            self._known[item] = await self._lists.read(self._inner, item)
        except Gone:
            if not await self._lists.exists(self._items, item):
                self._known.pop(item, None)
                return False
            self._known[item] = Listed(())  # an item of a type that has no such list
        self._refused.pop(item, None)
        self._failures.pop(item, None)
        return True


def items_at_once(per_second: float) -> int:
    """How many items a reading asks for, under a limit of requests."""
    return max(1, min(MOST, int(PATIENT * per_second)))


def _forget(memory: dict[str, Any], items: Collection[str]) -> None:
    for item in memory.keys() - set(items):
        del memory[item]
