"""The simulated Alibaba Cloud against every line of its page, over real sockets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.simulate.alibaba_asking import ID, RESOURCES, Caller
from tests.simulate.asking import simulated
from watcher.model.time import MINUTE, SECOND
from watcher.simulate.alibaba.faults import BareDomains, Flat
from watcher.simulate.faults import Refusal, Revoked, Skewed
from watcher.simulate.scenario import scenario

SOURCES = "o1.example.net,192.0.2.7"
SHOP = {
    "DomainName": "shop.example.com",
    "DomainCname": "shop.example.com.w.kunlun.example",
    "CdnType": "web",
    "Status": "online",
    "CreateTime": "2026-05-06T20:00:00+08:00",
    "UpdateTime": "2026-05-06T20:00:00+08:00",
}


@asynccontextmanager
async def calling(*, troubles: Sequence[Mapping[str, Any]] = (), **settings: object) -> AsyncIterator[Caller]:
    async with simulated(sections={"alibaba": settings}, resources=RESOURCES, troubles=troubles) as client:
        yield Caller(client)


async def test_the_wire_form_has_objects_around_lists() -> None:
    async with calling() as caller:
        for status, body in [
            await caller.classic(SOURCES),
            await caller.classic(SOURCES, "GET"),
            await caller.classic(SOURCES, form=True),
            await caller.acs3(SOURCES),
            await caller.acs3(SOURCES, "GET"),
        ]:
            assert status == 200
            assert set(body) == {"RequestId", "Sources", "DomainsList"}
            assert body["Sources"] == SOURCES
            first, second = body["DomainsList"]["DomainsData"]
            assert first["Source"] == "o1.example.net"
            assert first["Domains"] == {"domainNames": ["shop.example.com", "blog.example.com"]}
            assert first["DomainInfos"]["domainInfo"][0] == SHOP
            assert [info["CdnType"] for info in first["DomainInfos"]["domainInfo"]] == ["web", "video"]
            assert second["DomainInfos"]["domainInfo"][0]["CdnType"] == "download"


async def test_the_documents_form_is_flat() -> None:
    async with calling(layout="flat", offset="Z") as caller:
        _, body = await caller.classic("o1.example.net")

        [entry] = body["DomainsList"]
        assert entry["Domains"] == ["shop.example.com", "blog.example.com"]
        assert entry["DomainInfos"][0]["UpdateTime"] == "2026-05-06T12:00:00Z"


async def test_sources_match_exactly_and_keep_their_order() -> None:
    async with calling() as caller:
        asked = "192.0.2.7,example.net,o1,O1.example.net,o2.example.net,o1.example.net,192.0.2.7"
        _, body = await caller.acs3(asked)

        found = [entry["Source"] for entry in body["DomainsList"]["DomainsData"]]
        assert found == ["192.0.2.7", "o1.example.net"]


async def test_an_unused_source_may_stand_there_empty() -> None:
    async with calling(unused="entry") as caller:
        _, body = await caller.acs3("nobody.example.net,192.0.2.7")

        assert body["DomainsList"]["DomainsData"][0] == {
            "Source": "nobody.example.net",
            "Domains": {"domainNames": []},
            "DomainInfos": {"domainInfo": []},
        }


async def test_sources_of_which_none_is_used_are_refused_or_answered_with_nothing() -> None:
    async with calling() as caller:
        status, body = await caller.acs3("nobody.example.net")
        assert (status, body["Code"]) == (400, "InvalidSources.NotFound")

    async with calling(nothing_found="empty") as caller:
        status, body = await caller.acs3("nobody.example.net")
        assert (status, body["DomainsList"]) == (200, {"DomainsData": []})


async def test_members_of_an_origin_group_are_origins_too() -> None:
    group = {"id": "g", "members": {"m1.example.net": "active", "m2.example.net": "backup"}}
    resources = [{"id": "a", "origin_group": "g", "requests_per_minute": 1}]
    sections = {"origin_groups": [group], "alibaba": {"orphans": ["lonely.example.net"]}}
    async with simulated(sections=sections, resources=resources) as client:
        caller = Caller(client)
        _, body = await caller.acs3("m2.example.net")

        assert body["DomainsList"]["DomainsData"][0]["Domains"] == {"domainNames": ["a.example.com"]}
        source = client.simulation.announced["alibaba"].source
        assert source["origins"] == ["m1.example.net", "m2.example.net", "lonely.example.net"]


@pytest.mark.parametrize(
    ("sources", "code", "message"),
    [
        (None, "MissingParameter", "The parameter Sources miss."),
        ("", "MissingParameter", "The parameter Sources miss."),
        ("a..b", "InvalidSources.Malformed", "Specified Sources is malformed."),
        ("o1.example.net,", "InvalidSources.Malformed", "Specified Sources is malformed."),
        ("a b*c~d.example.com,源站.example", "InvalidSources.Malformed", "Specified Sources is malformed."),
        ("http://o1.example.net", "InvalidSources.Malformed", "Specified Sources is malformed."),
        ("源站.example", "InvalidSources.NotFound", "The specified sources are not found."),
    ],
)
async def test_documented_errors_have_their_words(sources: str | None, code: str, message: str) -> None:
    async with calling() as caller:
        for status, body in [await caller.classic(sources), await caller.acs3(sources)]:
            assert (status, body["Code"], body["Message"]) == (400, code, message)
            assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"Signature": "AAAA"}, 400, "SignatureDoesNotMatch"),
        ({"AccessKeyId": "somebody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"AccessKeyId": None}, 400, "MissingAccessKeyId"),
        ({"AccessKeyId": "schlüssel"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"SignatureNonce": None}, 400, "MissingParameter"),
        ({"SignatureMethod": "HMAC-SHA256"}, 400, "IncompleteSignature"),
        ({"SignatureVersion": None}, 400, "IncompleteSignature"),
        ({"Timestamp": None}, 400, "IllegalTimestamp"),
        ({"Timestamp": "yesterday"}, 400, "IllegalTimestamp"),
        ({"Timestamp": "2026-02-30T00:00:00Z"}, 400, "IllegalTimestamp"),
        ({"Timestamp": "2026-11-22T11:44:59Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "2026-11-22T12:15:01Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"SecurityToken": "t"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
        ({"Action": "DescribeCdnDomains"}, 404, "InvalidAction.NotFound"),
        ({"Action": None}, 400, "MissingParameter"),
        ({"Version": "2014-11-11"}, 400, "NoSuchVersion"),
    ],
)
async def test_what_is_wrong_with_a_classic_call_is_named(
    wrong: Mapping[str, str | None], status: int, code: str
) -> None:
    async with calling() as caller:
        answered, body = await caller.classic(SOURCES, change=wrong)

        assert (answered, body["Code"]) == (status, code)


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"credential": "somebody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"unsigned": ["x-acs-action"]}, 400, "IncompleteSignature"),
        ({"unsigned": ["host"]}, 400, "IncompleteSignature"),
        ({"unsigned": ["content-type"]}, 400, "IncompleteSignature"),
        ({"x_acs_date": None}, 400, "IllegalTimestamp"),
        ({"x_acs_date": "2026-11-22T11:44:59Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"x_acs_signature_nonce": None}, 400, "MissingParameter"),
        ({"x_acs_action": "Other"}, 404, "InvalidAction.NotFound"),
        ({"x_acs_version": "2014-11-11"}, 400, "NoSuchVersion"),
        ({"path": "/other"}, 400, "SignatureDoesNotMatch"),
    ],
)
async def test_what_is_wrong_with_a_new_call_is_named(
    wrong: Mapping[str, Any], status: int, code: str
) -> None:
    async with calling() as caller:
        answered, body = await caller.acs3(SOURCES, **wrong)

        assert (answered, body["Code"]) == (status, code)


@pytest.mark.parametrize("header", ["ACS3-HMAC-SHA256", "Bearer x", "ACS3-HMAC-SHA256 Credential=a"])
async def test_an_authorization_that_is_none_is_incomplete(header: str) -> None:
    async with calling() as caller:
        status, body = await caller.ask("POST", f"{caller.root}/", headers={"Authorization": header})

        assert (status, body["Code"]) == (400, "IncompleteSignature")


async def test_a_refused_signature_is_told_what_the_server_signed() -> None:
    async with calling() as caller:
        _, right = await caller.classic(SOURCES, change={"SignatureType": "", "Signature": "wrong"})
        signed = right["Message"].partition("server string to sign is:")[2]
        assert signed.startswith(f"POST&%2F&AccessKeyId%3D{ID}%26Action%3DDescribeDomainsBySource%26")
        assert (
            "%26SignatureType%3D%26SignatureVersion%3D1.0%26Sources%3Do1.example.net%252C192.0.2.7%26"
            in signed
        )

        caller.secret = "wrong"
        for _, body in [await caller.classic(SOURCES), await caller.acs3(SOURCES)]:
            assert body["Code"] == "SignatureDoesNotMatch"
            assert "server string to sign is:" in body["Message"]


async def test_whatever_parameters_come_are_signed_empty_ones_too() -> None:
    async with calling() as caller:
        more = {"SignatureType": "", "RegionId": "ap-southeast-1", "Odd *~ é": "源 +&="}
        status, body = await caller.classic(SOURCES, change=more)

        assert status == 200, body


async def test_a_get_signature_is_not_valid_for_a_post() -> None:
    async with calling() as caller:
        status, body = await caller.classic(SOURCES, "GET", sent_by="POST")

        assert (status, body["Code"]) == (400, "SignatureDoesNotMatch")


async def test_a_nonce_is_good_once() -> None:
    async with calling() as caller:
        assert (await caller.classic(SOURCES, change={"SignatureNonce": "n"}))[0] == 200
        for status, body in [
            await caller.classic(SOURCES, change={"SignatureNonce": "n"}),
            await caller.acs3(SOURCES, x_acs_signature_nonce="n"),
        ]:
            assert (status, body["Code"]) == (400, "SignatureNonceUsed")

        caller.client.clock.at += 30 * MINUTE
        assert (await caller.classic(SOURCES, change={"SignatureNonce": "n"}))[1][
            "Code"
        ] == "SignatureNonceUsed"
        caller.client.clock.at += 2 * SECOND
        assert (await caller.classic(SOURCES, change={"SignatureNonce": "n"}))[0] == 200


async def test_a_refused_signature_spends_no_nonce() -> None:
    async with calling() as caller:
        await caller.classic(SOURCES, change={"SignatureNonce": "n", "Signature": "wrong"})

        assert (await caller.classic(SOURCES, change={"SignatureNonce": "n"}))[0] == 200


async def test_thirty_calls_a_second_are_the_most() -> None:
    async with calling() as caller:
        answers = [await caller.acs3(SOURCES) for _ in range(31)]

        assert [status for status, _ in answers] == [200] * 30 + [400]
        assert answers[-1][1]["Code"] == "Throttling.User"
        caller.client.clock.at += SECOND // 10
        assert [(await caller.acs3(SOURCES))[0] for _ in range(4)] == [200, 200, 200, 400]


async def test_a_temporary_key_needs_its_token() -> None:
    async with calling(security_token="sts-token") as caller:
        _, missing = await caller.classic(SOURCES)
        _, wrong = await caller.acs3(SOURCES, x_acs_security_token="other")
        assert missing["Code"] == "MissingSecurityToken"
        assert wrong["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"
        assert (await caller.classic(SOURCES, change={"SecurityToken": "sts-token"}))[0] == 200
        assert (await caller.acs3(SOURCES, x_acs_security_token="sts-token"))[0] == 200


async def test_without_a_format_a_classic_call_is_answered_in_xml() -> None:
    async with calling(layout="flat") as caller:
        status, text = await caller.classic("192.0.2.7", change={"Format": None})
        assert status == 200
        assert text.startswith('<?xml version="1.0" encoding="UTF-8"?><DescribeDomainsBySourceResponse>')
        assert "<DomainsList><DomainsData><Source>192.0.2.7</Source>" in text
        assert "<Domains><domainNames>files.example.com</domainNames></Domains>" in text

        status, text = await caller.classic("a..b", change={"Format": "xml"})
        assert status == 400
        assert "<Code>InvalidSources.Malformed</Code>" in text

        caller.secret = "wrong"
        _, text = await caller.classic("a", change={"Format": None})
        assert "<Error><RequestId>" in text
        assert "AccessKeyId%3D" in text


async def test_states_change_as_the_scenario_says() -> None:
    troubles = [
        {"kind": "domain_offline", "resource": "shop", "start": "+10m", "lasts": "10m", "status": "frozen"},
        {"kind": "stuck_change", "resource": "blog", "start": "+10m"},
        {"kind": "domain_gone", "resource": "files", "start": "+10m"},
    ]
    async with calling(troubles=troubles) as caller:

        async def seen() -> dict[str, tuple[str, str]]:
            _, body = await caller.acs3(SOURCES)
            return {
                info["DomainName"].partition(".")[0]: (info["Status"], info["UpdateTime"][11:19])
                for entry in body["DomainsList"]["DomainsData"]
                for info in entry["DomainInfos"]["domainInfo"]
            }

        assert {status for status, _ in (await seen()).values()} == {"online"}
        caller.client.clock.at += 12 * MINUTE
        assert await seen() == {"shop": ("frozen", "20:10:00"), "blog": ("configuring", "20:10:00")}
        caller.client.clock.at += 10 * MINUTE
        assert (await seen())["shop"] == ("online", "20:20:00")


async def test_the_two_lists_may_disagree() -> None:
    async with calling() as caller:
        caller.server.faults.turn(Flat(kind="flat"), BareDomains(kind="bare_domains", resources=("blog",)))
        _, body = await caller.acs3("o1.example.net")

        [entry] = body["DomainsList"]
        assert entry["Domains"] == ["shop.example.com", "blog.example.com"]
        assert [info["DomainName"] for info in entry["DomainInfos"]] == ["shop.example.com"]

        caller.server.faults.turn(BareDomains(kind="bare_domains"))
        _, body = await caller.acs3("o1.example.net")
        assert body["DomainsList"]["DomainsData"][0]["DomainInfos"] == {"domainInfo": []}


async def test_planted_errors_have_the_vendors_form() -> None:
    async with calling() as caller:
        for refusal, expected in [
            (Refusal(kind="refusal", status=503), (503, "ServiceUnavailable")),
            (Refusal(kind="refusal"), (500, "InternalError")),
            (Refusal(kind="refusal", status=400, code="FlowControlError"), (400, "FlowControlError")),
            (Refusal(kind="refusal", status=403), (403, "Forbidden.RAM")),
        ]:
            caller.server.faults.turn(refusal)
            status, body = await caller.acs3(SOURCES)
            assert (status, body["Code"]) == expected
        caller.server.faults.turn(Revoked(kind="revoked"))
        assert (await caller.acs3(SOURCES))[1]["Code"] == "InvalidAccessKeyId.NotFound"


async def test_a_skewed_server_refuses_good_times() -> None:
    async with calling() as caller:
        caller.server.faults.turn(Skewed.model_validate({"kind": "skewed", "by": "+20m"}))

        assert (await caller.acs3(SOURCES))[1]["Code"] == "InvalidTimeStamp.Expired"


async def test_it_is_served_under_a_prefix_too() -> None:
    async with calling() as caller:
        base = caller.client.simulation.announced["alibaba"].base_url

        assert (await caller.acs3(SOURCES, url=f"{base}/"))[0] == 200
        assert (await caller.acs3(SOURCES, url=f"{base}/", path="/alibaba/"))[0] == 200
        assert (await caller.acs3(SOURCES, url=base, path="/alibaba"))[0] == 200
        assert (await caller.acs3(SOURCES, path="/alibaba/"))[0] == 400


async def test_other_paths_and_methods_are_no_call() -> None:
    async with calling() as caller:
        for method, path in [("PUT", "/"), ("GET", "/x"), ("POST", "/x/y")]:
            status, body = await caller.ask(method, caller.root + path)
            assert (status, body["Code"]) == (404, "InvalidAction.NotFound")


def test_a_fault_names_resources_there_are() -> None:
    fault = {"kind": "bare_domains", "resources": ["nobody"]}
    with pytest.raises(ValueError, match="no such resource: `nobody`"):
        scenario({"resources": RESOURCES, "alibaba": {"faults": [fault]}})
    with pytest.raises(ValueError, match="no such calls"):
        scenario({"resources": RESOURCES, "alibaba": {"faults": [{"kind": "flat", "calls": ["x"]}]}})
