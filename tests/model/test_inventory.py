"""What listings make of what was known: the same, however often it is told and whoever remembers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.inventory import (
    Heard,
    Item,
    ItemChange,
    ItemEvent,
    ItemKind,
    Known,
    Listing,
    compared,
    merged,
)
from watcher.model.time import MINUTE
from watcher.store.inventory import Stock

ITEMS = st.builds(
    Item,
    st.just(ItemKind.DOMAIN),
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["status", "cname"]), st.sampled_from(["", "x", "y"])),
)
LISTINGS = st.builds(
    Listing,
    st.just(ItemKind.DOMAIN),
    st.lists(ITEMS, max_size=4).map(tuple),
    st.booleans(),
)
TICKS = st.lists(st.lists(LISTINGS, max_size=3), max_size=8)


def heard(listing: Listing, at: int) -> Heard:
    return Heard("ali", "alibaba_cdn", at, listing)


def told(ticks: list[list[Listing]], *, forgetful: bool) -> tuple[list[Known], list[ItemEvent]]:
    """What comes of ticks; every one is applied twice where its writer forgets all in between."""
    held: dict[str, Known] = {}
    happened: dict[ItemEvent, None] = {}
    stock = Stock()
    for number, listings in enumerate(ticks):
        for _ in range(2 if forgetful else 1):
            if forgetful:
                stock = Stock()
                stock.load(held.values())
            news = stock.news(heard(one, number * 7 * MINUTE) for one in listings)
            for _, difference in news:
                held |= {one.item.id: one for one in difference.known}
                happened |= dict.fromkeys(difference.events)
            stock.take(news)
    return [held[key] for key in sorted(held)], list(happened)


@pytest.mark.parametrize(
    ("status", "is_served"),
    [
        *((word, True) for word in ("", "online", "Enabled", "configuring", "configure_failed", "applying")),
        *((word, False) for word in ("offline", "Stopping", "deleting", "disabled", "disabling")),
        *((word, False) for word in ("checking", "check_failed", "not_found")),
        ("some new word", True),
    ],
)
def test_a_domain_is_in_service_unless_its_vendor_says_that_it_is_not(status: str, is_served: bool) -> None:  # noqa: FBT001 - of the table
    assert Item(ItemKind.DOMAIN, "a", {"status": status}).is_served is is_served


def test_a_fact_that_is_too_long_ends_with_a_whole_part() -> None:
    domains = ",".join(f"d{n:04}.example.com" for n in range(200))
    listing = Listing(
        ItemKind.ORIGIN, (Item(ItemKind.ORIGIN, "o", {"domains": domains, "name": "x" * 2_000}),)
    )
    (known,) = compared({}, heard(listing, 0)).known

    assert known.item.words("domains") == domains.split(",")[: 1_000 // 18]
    assert known.item.facts["name"] == "x" * 1_000


@given(TICKS)
def test_restarts_and_repetitions_change_nothing(ticks: list[list[Listing]]) -> None:
    assert told(ticks, forgetful=True) == told(ticks, forgetful=False)


@given(LISTINGS, LISTINGS)
def test_after_a_complete_listing_what_is_there_is_what_it_says(first: Listing, second: Listing) -> None:
    known = {one.item.id: one for one in compared({}, heard(first, 0)).known}
    after = known | {one.item.id: one for one in compared(known, heard(second, 1)).known}

    present = {name for name, one in after.items() if one.gone_at is None}
    said = {item.id for item in second.items}
    assert present == (said if second.complete else said | known.keys())


@given(LISTINGS)
def test_the_same_listing_again_says_nothing_new(listing: Listing) -> None:
    first = compared({}, heard(listing, 0))
    known = {one.item.id: one for one in first.known}

    again = compared(known, heard(listing, MINUTE))
    assert again.events == ()
    assert {event.change for event in first.events} <= {ItemChange.APPEARED}


def test_of_one_shelf_the_last_complete_listing_counts_with_what_was_added() -> None:
    a, b, c = (Item(ItemKind.DOMAIN, name) for name in "abc")
    said = [
        Listing(ItemKind.DOMAIN, (a,)),
        Listing(ItemKind.DOMAIN, (b,)),
        Listing(ItemKind.DOMAIN, (c,), complete=False),
    ]

    (one,) = merged(heard(listing, at) for at, listing in enumerate(said))
    assert one == heard(Listing(ItemKind.DOMAIN, (b, c)), 2)
