"""Alibaba Cloud's answers, well-formed and not."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.alibaba_server import AT, answer, entry, info, said, value
from watcher.collect.http import Response
from watcher.collect.states import Statuses
from watcher.collect.vendors.alibaba_cdn.batch import EXEMPLARS, Provenance, batch_of
from watcher.collect.vendors.alibaba_cdn.parse import STATUSES, Answer, merged, parse_domains
from watcher.errors import ContractBroken
from watcher.model.inventory import Item, ItemKind
from watcher.model.metrics import METRICS
from watcher.model.sample import SampleBatch
from watcher.model.time import SECOND, parse_rfc3339

OF = Provenance("ali", "domains", AT, AT + SECOND)
UPDATED = parse_rfc3339("2017-03-30T20:49:00Z")


def parsed(body: object, *origins: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_domains(Response(200, {}, raw), origins or ("o",))


def batch(
    *entries: Mapping[str, Any],
    origins: tuple[str, ...] = ("o",),
    refused: tuple[str, ...] = (),
    held: tuple[Item, ...] = (),
) -> SampleBatch:
    of = Provenance("ali", "domains", AT, AT, refused, held)
    return batch_of(parse_domains(answer(*entries), origins), of, Statuses(*STATUSES))


def status(batch: SampleBatch, domain: str) -> dict[str, float]:
    return {
        labels[0][1]: float(batch.values[0, row, batch.entities.index((("resource", domain),))])
        for row, (name, labels) in enumerate(batch.metrics)
        if name == "domain_status"
    }


def facts(batch: SampleBatch, kind: ItemKind) -> dict[str, Mapping[str, str]]:
    (listing,) = (listing for listing in batch.listings if listing.kind is kind)
    return {item.id: item.facts for item in listing.items}


def test_the_present_status_is_1_and_every_other_documented_one_0() -> None:
    assert status(batch(entry("o", info("a", "Configuring"))), "a") == {
        **dict.fromkeys(STATUSES, 0.0),
        "configuring": 1.0,
    }


def test_the_vendors_time_of_change_is_kept_in_seconds() -> None:
    seen = batch(
        entry("o", info("a"), info("b", UpdateTime="2017-03-30T20:49:00Z"), info("c", UpdateTime=""))
    )

    changed = [value(seen, "domain_changed_seconds", of=("resource", name)) for name in "abc"]
    assert changed[:2] == [UPDATED / SECOND] * 2
    assert np.isnan(changed[2])


def test_origins_count_their_domains_and_one_without_any_counts_0() -> None:
    seen = batch(entry("o", info("a"), info("b")), entry("p", info("b")), origins=("o", "p", "orphan"))

    assert [value(seen, "origin_domains", of=("origin", name)) for name in ("o", "p", "orphan")] == [2, 1, 0]
    assert len(seen.entities) == 5
    assert seen.complete
    assert all(set(dict(labels)) <= {*METRICS[name].labels} for name, labels in seen.metrics)


def test_what_no_source_matches_is_an_empty_answer() -> None:
    response = said("InvalidSources.NotFound", "The specified source does not exist.")
    seen = batch_of(parse_domains(response, ("o", "p")), OF, Statuses(*STATUSES))

    assert [value(seen, "origin_domains", of=("origin", name)) for name in "op"] == [0, 0]
    xml = Response(400, {}, b"<?xml version='1.0'?><Error><Code>InvalidSources.NotFound</Code></Error>")
    assert parse_domains(xml, ("o",)).origins == {"o": ()}


def test_a_domain_without_details_has_no_status_and_is_not_gone() -> None:
    seen = batch(entry("o", info("a"), names=["a", "b"]), entry("p", info("c"), names=[]), origins=("o", "p"))

    assert all(np.isnan(cell) for cell in status(seen, "b").values())
    assert facts(seen, ItemKind.DOMAIN)["b"] == {"origins": "o"}
    assert [value(seen, "origin_domains", of=("origin", name)) for name in "op"] == [2, 1]


def test_a_domain_of_several_sources_is_one() -> None:
    seen = batch(entry("o", info("A.Example.org")), entry("p", info("a.example.org")), origins=("o", "p"))

    assert facts(seen, ItemKind.DOMAIN) == {
        "a.example.org": {
            "status": "online",
            "cname": "a.example.org.w.kunlun.test",
            "type": "web",
            "created": "2016-07-12T03:53:19Z",
            "updated": "2017-03-30T20:49:00Z",
            "origins": "o,p",
        }
    }
    assert facts(seen, ItemKind.ORIGIN) == {"o": {}, "p": {}}


@pytest.mark.parametrize("later_first", [True, False])
def test_of_two_readings_of_a_domain_the_last_change_counts(later_first: bool) -> None:  # noqa: FBT001 - a case
    old, new = info("a", "online"), info("a", "offline", UpdateTime="2017-04-01T00:00:00Z")
    bare = entry("q", names=["a"])
    entries = [entry("o", new), entry("p", old), bare] if later_first else [entry("o", old), entry("p", new)]
    parts = [parse_domains(answer(one), (str(one["Source"]),)) for one in entries]

    assert merged(parts).domains["a"].status == "offline"
    assert parse_domains(answer(*entries), ("o", "p", "q")).domains["a"].status == "offline"


def test_an_undocumented_status_is_kept_as_it_is() -> None:
    seen = batch(entry("o", info("a", "Frozen"), info("b"), info("c", "melted")))

    assert status(seen, "a") == {**dict.fromkeys((*STATUSES, "melted"), 0.0), "frozen": 1.0}
    assert status(seen, "b")["frozen"] == 0


def test_an_origin_called_malformed_is_unknown_and_its_domains_are_not_gone() -> None:
    former = Item(ItemKind.DOMAIN, "b", {"origins": "bad", "status": "online"})
    seen = batch(entry("o", info("a")), refused=("bad",), held=(former,))

    assert np.isnan(value(seen, "origin_domains", of=("origin", "bad")))
    assert value(seen, "origin_domains", of=("origin", "o")) == 1
    assert all(np.isnan(cell) for cell in status(seen, "b").values())
    assert seen.complete
    assert all(listing.complete for listing in seen.listings)
    assert facts(seen, ItemKind.ORIGIN).keys() == {"o", "bad"}
    assert facts(seen, ItemKind.DOMAIN)["b"] == former.facts
    assert seen.remark == "origins that the vendor calls malformed: bad"


def test_a_time_that_is_none_is_unknown_and_said_so() -> None:
    wrong = [
        "no time" * 9,
        "0001-01-01T00:00:00+08:00",
        "soon",
        "2017-03-31T04:49:00",
        "1970-01-01T08:00:00+08:00",
    ]
    for text in wrong:
        seen = batch(entry("o", info("a", UpdateTime=text, CreateTime=text)))

        assert np.isnan(value(seen, "domain_changed_seconds", of=("resource", "a")))
        assert value(seen, "domain_status", ("status", "online"), of=("resource", "a")) == 1
        assert seen.remark == f"CreateTime of a is no time: {text[:40]!r} (and 1 more)"


def test_what_does_not_serve_is_shown_but_not_without_end() -> None:
    seen = batch(entry("o", *(info(f"d{place:02}", "offline") for place in range(EXEMPLARS + 5)), info("z")))

    assert len(seen.exemplars) == EXEMPLARS
    assert dict(seen.exemplars[0].facts) == {
        "status": "offline",
        "cname": "d00.w.kunlun.test",
        "type": "web",
        "created": "2016-07-12T03:53:19Z",
        "updated": "2017-03-30T20:49:00Z",
        "origins": "o",
    }


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("源站.example", "xn--b9w05x.example"),
        ("xn--b9w05x.example", "源站.example"),
        ("bücher.example", "BÜCHER.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("a_b!.example", "A_B!.example"),
    ],
)
def test_an_origin_is_the_same_in_whatever_spelling_the_vendor_answers(asked: str, answered: str) -> None:
    seen = batch(entry(answered, info("a")), origins=(asked,))

    assert value(seen, "origin_domains", of=("origin", asked)) == 1
    assert facts(seen, ItemKind.DOMAIN)["a"]["origins"] == asked


NESTED = {
    "DomainsData": [
        {"Source": "o", "Domains": {"domainNames": ["a"]}, "DomainInfos": {"domainInfo": [info("a")]}}
    ]
}
FLAT = [{"Source": "O", "Domains": ["a"], "DomainInfos": [info("a")]}]


@pytest.mark.parametrize(
    "listed",
    [
        NESTED,
        FLAT,
        {"anything": FLAT},
        [{"Source": "o", "Domains": {"domainNames": ["a"]}, "DomainInfos": [info("a")]}],
        [{"Source": "o", "Domains": None, "DomainInfos": {"domainInfo": [info("a")]}}],
        [{"Source": "o", "Domains": {}, "DomainInfos": [info("a")], "New": 1}],
        [{"Source": "o", "DomainInfos": [{**info("a"), "Sandbox": "x"}]}],
        [*FLAT, *FLAT],
    ],
)
def test_each_list_may_be_bare_or_wrapped(listed: object) -> None:
    read = parsed({"DomainsList": listed, "Sources": "o"})

    assert {origin: [*names] for origin, names in read.origins.items()} == {"o": ["a"]}
    assert read.domains["a"].status == "online"


@pytest.mark.parametrize(
    "twice",
    [
        ('"Status"', '"Status": "offline", "Status"'),
        ('"Source"', '"Source": "p", "Source"'),
        ('"DomainsList"', '"DomainsList": [], "DomainsList"'),
        ('"UpdateTime": "2017-03-31T04:49:00+08:00"', '"Status": "offline"'),
        ('"CdnType": "web"', '"CdnType": null, "Status": "offline"'),
    ],
)
def test_a_key_that_stands_twice_has_no_safe_reading(twice: tuple[str, str]) -> None:
    body = answer(entry("o", info("a"))).body.decode().replace(*twice)

    with pytest.raises(ContractBroken, match="stands twice"):
        parsed(body.encode())


def test_an_empty_list_is_no_domains() -> None:
    assert parsed({"DomainsList": []}) == parsed({"DomainsList": {"DomainsData": []}})
    assert parsed({"DomainsList": []}).domains == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"<DescribeDomainsBySourceResponse><RequestId>x</RequestId></DescribeDomainsBySourceResponse>",
        b'{"DomainsList": [' + b"[" * 100_000,
        b'{"DomainsList": [{"Source": "\\ud800"}]}',
        [],
        {},
        {"RequestId": "x"},
        {"DomainsList": None},
        {"DomainsList": {}},
        {"DomainsList": ""},
        {"DomainsList": {"DomainsData": {}}},
        {"DomainsList": {"DomainsData": [], "Other": []}},
        {"DomainsList": [{"Source": "o"}]},
        {"DomainsList": [{"Domains": []}]},
        {"DomainsList": [{"Source": "unasked", "Domains": []}]},
        {"DomainsList": [{"Source": 1, "Domains": []}]},
        {"DomainsList": [{"Source": "o", "Domains": "a"}]},
        {"DomainsList": [{"Source": "o", "Domains": [1]}]},
        {"DomainsList": [{"Source": "o", "Domains": [""]}]},
        {"DomainsList": [{"Source": "o", "Domains": ["a\n"]}]},
        {"DomainsList": [{"Source": "o", "Domains": ["a b"]}]},
        {"DomainsList": [{"Source": "o", "Domains": ["a" * 256]}]},
        {"DomainsList": [{"Source": "o", "Domains": {"a": ["x"], "b": ["y"]}}]},
        {"DomainsList": [{"Source": "o", "DomainInfos": [{"Status": "online"}]}]},
        {"DomainsList": [{"Source": "o", "DomainInfos": [{**info("a"), "Status": 1}]}]},
        {"DomainsList": [{"Source": "o", "DomainInfos": [{**info("a"), "UpdateTime": 1.5}]}]},
    ],
)
def test_what_is_not_documented_is_refused(body: object) -> None:
    with pytest.raises(ContractBroken):
        parsed(body)


def json_values() -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["DomainsData", "domainNames", "Source", "Domains", "DomainInfos", "DomainName"])
    leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just("o")
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=12,
    )


@settings(deadline=None)
@given(json_values())
def test_any_json_is_an_answer_or_a_broken_contract(listed: Any) -> None:  # noqa: ANN401 - any JSON
    try:
        read = parsed({"DomainsList": listed})
    except ContractBroken:
        return
    seen = batch_of(read, OF, Statuses(*STATUSES))
    assert seen.values.shape == (1, len(seen.metrics), len(seen.entities))


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional={name: json_values() for name in info("a")}), max_size=3))
def test_any_details_are_an_answer_or_a_broken_contract(infos: list[Any]) -> None:
    try:
        read = parsed({"DomainsList": [{"Source": "o", "DomainInfos": infos}]})
    except ContractBroken:
        return
    batch_of(read, OF, Statuses(*STATUSES))
    assert all(isinstance(item, Item) for item in read.domains) or read.domains.keys() == {*read.origins["o"]}
