"""Whole lists out of pages, whatever the pages say of themselves.

Default page sizes differ by list, -1 means that everything is there, the metadata may be missing or wrong,
and items come and go while pages are read. So the next offset is what has been received, an item counts
once, and a list that moved under our hands is read once more before it is called incomplete.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from watcher.collect.decode import decode_json
from watcher.collect.http import Handler, Response
from watcher.collect.vendors.leaseweb.api import Gone, item_request, list_request
from watcher.collect.vendors.leaseweb.rows import Row, check_ids, converted
from watcher.collect.words import clean
from watcher.errors import ContractBroken

MOST_PAGES: Final = 100
LONG: Final = 10
"""Pages after which larger ones are asked for: a list of jobs may hold all there ever were."""
LARGE: Final = 1_000
"""Items of such a page."""
_READINGS: Final = 2
"""Times that a list is read until it holds still."""


class Metadata(msgspec.Struct):
    """What a page says of the list; the document shows all three, of any value."""

    totalCount: int | None = None  # noqa: N815 - the vendor's spelling
    limit: int | None = None


class Pair(msgspec.Struct):
    """One property of a resource."""

    key: str
    value: Any = None


class Resource(msgspec.Struct):
    """The envelope of origins, groups, members and distributions. The order of its pairs is not stable."""

    data: list[Pair]
    resourceType: str = ""  # noqa: N815


@dataclass(frozen=True, slots=True)
class Listed:
    """The items of one list, each once by id."""

    rows: Sequence[Row]
    complete: bool = True
    """Whether they are all there are: the list held still while its pages were read."""
    remark: str = ""
    """Why it was not read to its end."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    rows: Sequence[Row]
    total: int | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class ListKind:
    """One of the vendor's lists."""

    path: str
    """With `{}` for the id of the item it lies within."""
    key: str
    """What its items stand under."""
    enveloped: bool = True


ORIGINS: Final = ListKind("/origins", "origins")
ORIGIN_GROUPS: Final = ListKind("/originGroups", "originGroups")
MEMBERS: Final = ListKind("/originGroups/{}/members", "originGroupMembers")
DISTRIBUTIONS: Final = ListKind("/distributions", "distributions")
DOMAINS: Final = ListKind("/distributions/{}/domains", "domains", enveloped=False)
POLICIES: Final = ListKind("/distributions/{}/policies", "policies", enveloped=False)
CERTIFICATES: Final = ListKind("/certificates", "certificates", enveloped=False)
ACTIONS: Final = ListKind("/actions", "actions", enveloped=False)


@dataclass(frozen=True, slots=True)
class Lists:
    """Reads any of them."""

    http: Handler
    base: str
    size: int
    """Items asked for in one call."""

    async def read(self, kind: ListKind, within: str = "") -> Listed:
        """Every item of a list.

        Raises:
            CollectError: a page was refused, or is not as documented.
        """
        url = self.base + kind.path.format(quote(within, safe=""))

        async def ask(offset: int, limit: int) -> Page:
            return parse_page(await self.http(list_request(url, limit=limit, offset=offset)), kind)

        found: dict[str, Row] = {}
        for _ in range(_READINGS):
            one = await _read_once(ask, self.size)
            if one.complete or one.remark:
                return replace(one, remark=one.remark and f"{kind.key}: {one.remark}")
            found |= _by_id(one.rows)
        return Listed(list(found.values()), complete=False)

    async def exists(self, kind: ListKind, item: str) -> bool:
        """Whether a list's item is still there.

        Raises:
            CollectError: that was not answered.
        """
        try:
            await self.http(item_request(f"{self.base}{kind.path}/{quote(item, safe='')}"))
        except Gone:
            return False
        return True


async def _read_once(ask: Callable[[int, int], Awaitable[Page]], size: int) -> Listed:
    """What came; complete where no page contradicts another."""
    found: dict[str, Row] = {}
    received, totals = 0, set[int]()
    for number in range(MOST_PAGES):
        limit = size if number < LONG else max(size, LARGE)
        page = await ask(received, limit)
        rows = _by_id(page.rows)
        if page.total is not None:
            totals.add(page.total)
        received += len(page.rows) if rows.keys() - found.keys() else 0
        last = rows.keys() <= found.keys() or _is_last(page, received, limit)
        found |= rows
        if last:
            steady = received == len(found) and _agree(totals, received)
            return Listed(list(found.values()), complete=steady)
    remark = f"more than {MOST_PAGES} pages; those after them are not read"
    return Listed(list(found.values()), complete=False, remark=remark)


def _by_id(rows: Sequence[Row]) -> dict[str, Row]:
    return {str(row["id"]): row for row in rows}


def _agree(totals: Collection[int], received: int) -> bool:
    """Whether totals leave no doubt. One below what came is wrong, and then none of them counts."""
    return not totals or min(totals) < received or (len(totals) == 1 and received in totals)


def _is_last(page: Page, received: int, asked: int) -> bool:
    """Whether nothing can follow.

    A total below what came is wrong, and one that equals a first full page may be that page's own: then only
    an empty page tells. An unlimited page is the last unless its total says that something is missing.
    """
    if page.limit is not None and page.limit <= 0:
        return page.total is None or received >= page.total
    if page.total is None or received > page.total:
        return False
    full = asked if page.limit is None else min(asked, page.limit)
    return received == page.total and (len(page.rows) < full or len(page.rows) < page.total)


def parse_page(response: Response, kind: ListKind) -> Page:
    """One answer of a list.

    Raises:
        ContractBroken: it is not what the vendor documents.
    """
    answer = decode_json(response, dict[str, Any])
    key = kind.key
    items = answer.get(key)
    if not isinstance(items, list):
        raise ContractBroken(f"{key} is {type(items).__name__}, not a list")
    about = answer.get("_metadata")
    metadata = Metadata() if about is None else converted(about, Metadata, "_metadata")
    rows = [_row(item, kind) for item in items]
    return Page(rows, metadata.totalCount, metadata.limit)


def _row(item: object, kind: ListKind) -> Row:
    key = kind.key
    row = flattened(item, key) if kind.enveloped else item
    if not isinstance(row, dict):
        raise ContractBroken(f"{key} holds a {type(row).__name__}")
    if not isinstance(row.get("id"), str):
        raise ContractBroken(f"an item of {key} has no id")
    check_ids([row["id"]], f"{key}: id")
    return row


def flattened(item: object, what: str) -> Row:
    """An envelope's pairs as one object, `resourceType` among them.

    Raises:
        ContractBroken: no envelope, or one property with two values.
    """
    resource = converted(item, Resource, what)
    row: dict[str, Any] = {"resourceType": resource.resourceType}
    for pair in resource.data:
        if pair.key in row and row[pair.key] != pair.value:
            raise ContractBroken(f"{what}: {clean(pair.key, 40)} stands twice")
        row[pair.key] = pair.value
    return row
