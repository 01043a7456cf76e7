"""Lists within items, which cost a call each: domains of distributions, members of groups.

A reading asks for a few of them, those longest not asked for first, so that its cost has a bound however many
items there are. What was read before stands meanwhile.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from watcher.collect.vendors.leaseweb.api import Gone, clean
from watcher.collect.vendors.leaseweb.paging import Listed, ListKind, Lists
from watcher.errors import RequestRefused, VendorFailed

T = TypeVar("T")

MOST: Final = 25
"""Items whose lists one reading asks for."""
_FAILURES: Final = 3
"""Of the vendor, in one reading, after which it is not asked for others: each costs retries."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of the items that are there."""

    lists: Mapping[str, Listed]
    """By item; one that is missing was never read."""
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
        return f"nothing new of {clean(item)}{more}: {why}"


class DetailReader:
    """Reads one kind of list within items, in turn."""

    def __init__(self, lists: Lists, items: ListKind, inner: ListKind) -> None:
        self._lists = lists
        self._items = items
        self._inner = inner
        self._known: dict[str, Listed] = {}
        self._turns: dict[str, int] = {}
        """When an item was last asked for, in items asked for since the start."""
        self._asked = 0
        self._refused: dict[str, str] = {}

    async def read(self, items: Collection[str]) -> Details:
        """The lists of these items, some of them anew; those of others are forgotten.

        Raises:
            CollectError: what is no fault of one item; or the vendor failed on several, or on all.
        """
        _forget(self._known, items)
        _forget(self._turns, items)
        _forget(self._refused, items)
        due = sorted(items, key=lambda item: self._turns.get(item, 0))[:MOST]
        gone, failures = set[str](), 0
        for item in due:
            try:
                if not await self._read_one(item):
                    gone.add(item)
            except RequestRefused as error:
                self._refused[item] = str(error)
            except VendorFailed as error:
                self._refused[item] = str(error)
                failures += 1
                if failures >= min(_FAILURES, len(due)):
                    raise
        return Details(dict(self._known), gone, dict(self._refused))

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
        return True


def _forget(memory: dict[str, T], items: Collection[str]) -> None:
    for item in memory.keys() - set(items):
        del memory[item]
