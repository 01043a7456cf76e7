"""What a person configures of Alibaba Cloud CDN."""

import pytest
from pydantic import ValidationError

from watcher.collect.vendors.alibaba_cdn.settings import Acs3Auth, AlibabaCdnSettings, RpcAuth
from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError
from watcher.model.time import MINUTE

KEYS = {"access_key_id": "id", "access_key_secret": "secret"}


def settings(**more: object) -> AlibabaCdnSettings:
    auth = {"kind": "acs3", **KEYS}
    return AlibabaCdnSettings.model_validate(
        {"name": "ali", "auth": auth, "origins": ["o.example.com"], **more}
    )


def test_the_defaults_are_the_vendors() -> None:
    read = settings()

    assert read.base_url.reveal() == "https://cdn.aliyuncs.com"
    assert (read.every, read.limit) == (2 * MINUTE, 2.0)
    assert isinstance(read.auth, Acs3Auth)
    assert isinstance(settings(auth={"kind": "rpc", **KEYS, "security_token": "t"}).auth, RpcAuth)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"origins": []}, "at least 1 item"),
        ({"origins": [""]}, "at least 1 character"),
        ({"origins": ["a.example.com", "A.example.com"]}, "stands twice"),
        ({"origins": ["源站.example", "xn--b9w05x.example"]}, "stands twice"),
        ({"origins": ["a.example.com,b.example.com"]}, "no origin address"),
        ({"origins": ["https://a.example.com"]}, "no origin address"),
        ({"origins": ["a b"]}, "no origin address"),
        ({"origins": ["a\n"]}, "no origin address"),
        ({"limit": 31}, "less than or equal to 30"),
        ({"auth": {"kind": "v4", **KEYS}}, "'rpc', 'acs3'"),
        ({"auth": KEYS}, "kind"),
        ({"auth": {"kind": "rpc", "access_key_id": "id"}}, "access_key_secret"),
        ({"auth": {"kind": "rpc", **KEYS, "region": "x"}}, "not permitted"),
        ({"base_url": "ftp://x"}, "not an HTTP address"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ("auth: {kind: rpc, access_key_id: {env: A}, acces_key_secret: {env: B}}", "4:44: unknown key"),
        ("auth: {kind: rpc, access_key_id: {env: A}}", "4:7: `access_key_secret` is missing"),
        ("auth: {kind: v2, access_key_id: {env: A}, access_key_secret: {env: B}}", "4:14: kind: expected"),
        ("auth: {access_key_id: {env: A}, access_key_secret: {env: B}}", "4:7: `kind` is missing"),
    ],
)
def test_a_mistake_within_auth_is_shown_at_its_place(wrong: str, place: str) -> None:
    text = f"name: ali\nvendor: alibaba_cdn\norigins: [o.example.com]\n{wrong}\n"
    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(text, "w.yaml"), AlibabaCdnSettings)

    assert any(str(problem).startswith(f"w.yaml:{place}") for problem in caught.value.problems), str(
        caught.value
    )


def test_the_third_origin_is_named_where_it_stands() -> None:
    text = "name: ali\nvendor: alibaba_cdn\norigins:\n  - a.example.com\n  - b.example.com\n  - c/d\n"
    text += "auth: {kind: rpc, access_key_id: {env: A}, access_key_secret: {env: B}}\n"
    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(text, "w.yaml"), AlibabaCdnSettings)

    assert str(caught.value) == (
        "w.yaml:6:5: origins[2]: no origin address; "
        "write a host name or an address, without scheme, port or path"
    )
