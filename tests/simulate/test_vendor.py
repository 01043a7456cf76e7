"""Vendors are found by their folders, and the truth says what each of them has to show."""

from typing import Any

import pytest

from tests.simulate.asking import NOON, RESOURCES, simulated
from watcher.simulate.scenario import scenario
from watcher.simulate.vendor import known


def test_every_folder_that_holds_a_vendor_is_one() -> None:
    for name, vendor in known().items():
        assert vendor.name == name
        assert vendor.settings() == vendor.settings.model_validate({})
        assert vendor.finds


async def test_each_vendor_is_announced_twice_with_a_source_that_names_it() -> None:
    async with simulated() as client:
        for name, entry in client.simulation.announcement().items():
            assert f"/{name}" in entry["base_url"]
            assert f"/{name}" not in entry["root_url"]
            assert entry["source"]["base_url"] == entry["base_url"]
            assert entry["source"]["name"]


def test_a_resource_of_a_vendor_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"no such vendor: `acme`; known: .*cdnvideo"):
        scenario({"resources": [RESOURCES[0] | {"vendors": ["acme"]}]})


def test_a_vendor_shows_what_names_it_and_what_names_none() -> None:
    story = scenario({"resources": [RESOURCES[0] | {"vendors": ["cdnvideo"]}, RESOURCES[1]]})

    assert [resource.id for resource in story.shown_by("cdnvideo")] == ["shop", "blog"]
    assert [resource.id for resource in story.shown_by("other")] == ["blog"]


async def told(**content: Any) -> list[tuple[str, str, str, str | None]]:  # noqa: ANN401 - plain YAML
    async with simulated(**content) as client:
        truth = client.simulation.truth()
    assert truth["anchor"] == "2026-11-22T12:00:00Z"
    return [
        (one["vendor"], one["kind"], one["about"], one["rule"])
        for one in truth["planted"]
        if one["vendor"] in {"cdnvideo", "tls", "http"}
    ]


async def test_the_truth_names_troubles_faults_and_listeners_with_their_rules() -> None:
    troubles = [
        {"kind": "5xx_burst", "resource": "shop", "start": "-10m", "share": 0.2},
        {"kind": "flash_crowd", "resource": "blog", "start": "-10m"},
    ]
    listeners = [
        {"name": "www.example.com", "days_left": 5},
        {"name": "x.example.com", "trusted": False},
        {"name": "fine.example.com"},
    ]
    faults = [{"kind": "html", "start": "now", "lasts": "15m"}, {"kind": "refusal", "status": 429}]

    assert await told(troubles=troubles, tls=listeners, faults=faults) == [
        ("cdnvideo", "5xx_burst", "shop", "http_5xx_spike"),
        ("cdnvideo", "flash_crowd", "blog", None),
        ("cdnvideo", "fault html", "", "contract_changed"),
        ("cdnvideo", "fault refusal", "", "quota_nearly_spent"),
        ("tls", "certificate", "www.example.com", "certificate_expiry"),
        ("tls", "certificate", "x.example.com", "certificate_invalid"),
        ("tls", "certificate", "fine.example.com", None),
    ]


async def test_what_always_was_and_never_ends_has_no_times() -> None:
    trouble = {"kind": "traffic_loss", "resource": "shop", "start": "-5m", "share": 0.5}
    async with simulated(troubles=[trouble], faults=[{"kind": "dropped", "calls": ["token"]}]) as client:
        planted = client.simulation.truth()["planted"]

    times = {one["kind"]: (one["start"], one["end"]) for one in planted if one["vendor"] == "cdnvideo"}
    assert times == {"traffic_loss": ("2026-11-22T11:55:00Z", None), "fault dropped": (None, None)}
    assert NOON


async def test_sites_answer_as_said_while_they_fail() -> None:
    failing = {"start": "now", "lasts": "5m", "status": 502}
    sites = [{"name": "front", "failing": [failing]}, {"name": "back", "path": "/up", "text": "ok"}]
    async with simulated(sections={"sites": sites}) as client:
        front, back = client.simulation.sites.urls.values()
        async with client.session.get(front) as answer:
            assert answer.status == 502
        async with client.session.get(back) as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        client.clock.at += 300_000
        async with client.session.get(front) as answer:
            assert answer.status == 200
        source = client.simulation.announcement()["http"]["source"]

    assert [target["url"] for target in source["targets"]] == [front, back]
