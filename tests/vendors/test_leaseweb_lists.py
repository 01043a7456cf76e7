"""Leaseweb's lists: every trap of their pages."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.vendors.leaseweb_server import (
    KEY,
    Build,
    Server,
    action,
    answer,
    certificate,
    distribution,
    read,
    refusal,
)
from watcher.errors import ContractBroken
from watcher.model.sample import SampleBatch

pytestmark = pytest.mark.looptime


@pytest.fixture
def lsw() -> Server:
    server = Server()
    server.lists["/certificates"] = [certificate(f"ce-{number}") for number in range(5)]
    server.unlimited = set()
    return server


def found(batch: SampleBatch) -> list[str]:
    return sorted(dict(entity)["certificate"] for entity in batch.entities)


ALL = [f"ce-{number}" for number in range(5)]


def offsets(lsw: Server) -> list[str]:
    return [dict(request.query)["offset"] for request in lsw.asked("/certificates")]


@pytest.mark.parametrize(
    ("metadata", "asked"),
    [
        (dict, ["0", "2", "4"]),
        (lambda truth: {**truth, "limit": -1}, ["0", "2", "4"]),
        (lambda truth: {"limit": truth["limit"]}, ["0", "2", "4", "5"]),
        (lambda _: None, ["0", "2", "4", "5"]),
        (lambda truth: {**truth, "totalCount": 0}, ["0", "2", "4", "5"]),
        (lambda truth: {**truth, "totalCount": 2}, ["0", "2", "4", "5"]),
        (lambda truth: {**truth, "totalCount": None, "limit": None}, ["0", "2", "4", "5"]),
    ],
    ids=["true", "limit -1", "no total", "none", "total 0", "total of the page", "nulls"],
)
async def test_all_items_are_read_whatever_a_page_says_of_itself(
    build: Build, lsw: Server, metadata: Callable[[dict[str, int]], object], asked: list[str]
) -> None:
    lsw.metadata = metadata

    batch = await read(build("leaseweb", lsw, **KEY, page_size=2), "certificates")

    assert found(batch) == ALL
    assert batch.complete
    assert offsets(lsw) == asked


async def test_limit_and_offset_are_always_sent_and_no_limit_is_one_page(build: Build, lsw: Server) -> None:
    lsw.unlimited = {"/certificates"}

    assert found(await read(build("leaseweb", lsw, **KEY, page_size=2), "certificates")) == ALL
    assert [list(request.query) for request in lsw.asked("/certificates")] == [
        [("limit", "2"), ("offset", "0")]
    ]


async def test_pages_smaller_than_asked_for_are_not_the_end(build: Build, lsw: Server) -> None:
    lsw.largest_page = 2

    assert found(await read(build("leaseweb", lsw, **KEY), "certificates")) == ALL
    assert offsets(lsw) == ["0", "2", "4"]


async def test_a_list_that_ends_before_its_total_is_not_complete(build: Build, lsw: Server) -> None:
    """What is missing from it must not be called gone."""
    lsw.metadata = lambda truth: {**truth, "totalCount": 7}

    batch = await read(build("leaseweb", lsw, **KEY), "certificates")

    assert found(batch) == ALL
    assert not batch.complete
    assert not any(listing.complete for listing in batch.listings if listing.kind == "certificate")


async def test_a_list_that_moves_while_it_is_read_is_read_once_more(build: Build, lsw: Server) -> None:
    pages = iter([lambda: lsw.lists["/certificates"].insert(0, certificate("ce-new"))])

    def move(truth: dict[str, int]) -> object:
        next(pages, lambda: None)()
        return truth

    lsw.metadata = move

    batch = await read(build("leaseweb", lsw, **KEY, page_size=2), "certificates")

    assert found(batch) == [*ALL, "ce-new"]
    assert batch.complete
    assert offsets(lsw) == ["0", "2", "4", "0", "2", "4"]


async def test_a_list_that_never_holds_still_is_not_complete(build: Build, lsw: Server) -> None:
    def shrink(truth: dict[str, int]) -> object:
        del lsw.lists["/certificates"][:1]
        return truth

    lsw.metadata = shrink

    batch = await read(build("leaseweb", lsw, **KEY, page_size=2), "certificates")

    assert not batch.complete


async def test_a_server_that_ignores_the_offset_is_not_asked_for_ever(build: Build, lsw: Server) -> None:
    lsw.will("/certificates", *[answer(200, {"certificates": [certificate("ce-1")]})] * 9)

    batch = await read(build("leaseweb", lsw, **KEY), "certificates")

    assert found(batch) == ["ce-1"]
    assert offsets(lsw) == ["0", "1"]


async def test_a_full_page_whose_total_is_its_own_is_not_the_end(build: Build, lsw: Server) -> None:
    """The server gives two at most, whatever is asked for, and calls that the total."""
    lsw.largest_page = 2
    lsw.metadata = lambda truth: {**truth, "totalCount": 2}

    batch = await read(build("leaseweb", lsw, **KEY), "certificates")

    assert found(batch) == ALL
    assert batch.complete
    assert offsets(lsw) == ["0", "2", "4", "5"]


async def test_a_long_list_is_read_on_in_larger_pages(build: Build, lsw: Server) -> None:
    lsw.lists["/certificates"] = [certificate(f"ce-{number}") for number in range(1_300)]

    batch = await read(build("leaseweb", lsw, **KEY), "certificates")

    assert len(found(batch)) == 1_300
    limits = [dict(request.query)["limit"] for request in lsw.asked("/certificates")]
    assert limits == [*["100"] * 10, "1000"]


async def test_a_list_without_end_is_read_in_part_and_says_so(build: Build, lsw: Server) -> None:
    lsw.lists["/certificates"] = [certificate(f"ce-{number}") for number in range(120)]
    lsw.largest_page = 1

    batch = await read(build("leaseweb", lsw, **KEY), "certificates")

    assert len(found(batch)) == 100
    assert not batch.complete
    assert batch.remark == "certificates: more than 100 pages; those after them are not read"
    assert len(lsw.asked("/certificates")) == 100


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"certificates": None},
        {"certificates": {}},
        {"certificates": [None]},
        {"certificates": [{}]},
        {"certificates": [{"id": None}]},
        {"certificates": [{"id": 7}]},
        {"certificates": [{"id": ""}]},
        {"certificates": [{"id": "a\nb"}]},
        {"certificates": [{"id": "ce-1", "valid": "yes"}]},
        {"certificates": [{"id": "ce-1", "validUntil": "soon"}]},
        {"certificates": [{"id": "ce-1", "validUntil": True}]},
        {"certificates": [{"id": "ce-1", "validUntil": -1}]},
        {"certificates": [{"id": "ce-1", "validUntil": 1754646847000}]},
        {"certificates": [], "_metadata": {"totalCount": "5"}},
        {"certificates": [], "_metadata": []},
    ],
    ids=str,
)
async def test_a_list_of_another_shape_is_a_changed_contract(build: Build, lsw: Server, body: Any) -> None:  # noqa: ANN401 - JSON
    lsw.will("/certificates", *[answer(200, body)] * 3)

    with pytest.raises(ContractBroken):
        await read(build("leaseweb", lsw, **KEY), "certificates")


@pytest.mark.parametrize(
    "row",
    [
        {"id": "di-1"},
        {"resourceType": "DISTRIBUTION_VOLUME", "data": None},
        {"resourceType": "DISTRIBUTION_VOLUME", "data": [{"value": "di-1"}]},
        {"resourceType": "DISTRIBUTION_VOLUME", "data": [{"key": "description", "value": "x"}]},
        {"resourceType": 1, "data": [{"key": "id", "value": "di-1"}]},
        {"data": [{"key": "id", "value": "di-1"}, {"key": "id", "value": "di-2"}]},
        {"data": [{"key": "id", "value": "di-1"}, {"key": "enabled", "value": "yes"}]},
    ],
    ids=str,
)
async def test_an_envelope_of_another_shape_is_a_changed_contract(
    build: Build, lsw: Server, row: Mapping[str, object]
) -> None:
    lsw.lists |= {"/distributions": [row], "/distributions/di-1/domains": []}

    with pytest.raises(ContractBroken):
        await read(build("leaseweb", lsw, **KEY), "domains")


async def test_the_order_of_pairs_and_an_equal_one_twice_do_not_matter(build: Build, lsw: Server) -> None:
    row = distribution("di-1")
    row["data"] = [*reversed(row["data"]), row["data"][0]]
    lsw.lists |= {"/distributions": [row], "/distributions/di-1/domains": []}

    assert (await read(build("leaseweb", lsw, **KEY), "domains")).complete


async def test_a_list_that_is_nowhere_is_our_mistake(build: Build, lsw: Server) -> None:
    lsw.will("/actions", refusal(404))
    lsw.lists["/actions"] = [action("a")]

    with pytest.raises(Exception, match="HTTP 404") as caught:
        await read(build("leaseweb", lsw, **KEY), "actions")

    assert getattr(caught.value, "family", "") == "request"
