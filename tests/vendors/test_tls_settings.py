"""What a person configures of TLS probes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from watcher.collect.vendors.tls.probe import trusting
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.errors import UserError


def settings(**more: object) -> TlsSettings:
    return TlsSettings.model_validate({"name": "edge", **more})


def test_a_ca_file_that_cannot_be_used_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(ValidationError, match=r"ca\.pem cannot be read: no such file"):
        settings(targets=["a:1"], ca_file=str(path))
    path.write_text("nothing")
    with pytest.raises(ValidationError, match="holds no certificate"):
        settings(targets=["a:1"], ca_file=str(path))


def test_a_ca_file_that_went_since_is_for_a_person_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ca\.pem cannot be read"):
        trusting(tmp_path / "ca.pem")


def test_targets_are_written_short_or_long() -> None:
    read = settings(
        targets=["www.example.com.", "[::1]:8443", {"address": "10.0.0.1:443", "server_name": "bücher.de"}]
    )

    assert [(t.host, t.port, t.name) for t in read.targets] == [
        ("www.example.com.", 443, "www.example.com"),
        ("::1", 8443, "::1"),
        ("10.0.0.1", 443, "xn--bcher-kva.de"),
    ]
    assert "string" in json.dumps(TlsSettings.model_json_schema()["properties"]["targets"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "nothing to probe"),
        ({"targets": []}, "nothing to probe"),
        ({"targets": ["a:0"]}, "no address"),
        ({"targets": ["a:99999"]}, "no address"),
        ({"targets": ["a:"]}, "no address"),
        ({"targets": ["[::1"]}, "no address"),
        ({"targets": ["[::1]443"]}, "no address"),
        ({"targets": ["[zz]:1"]}, "no address"),
        ({"targets": ["[1.2.3]:1"]}, "no address"),
        ({"targets": ["::1"]}, "no address"),
        ({"targets": [":443"]}, "no host name"),
        ({"targets": ["https://www.example.com"]}, "no address"),
        ({"targets": ["a b:443"]}, "no host name"),
        ({"targets": ["a:1", "a:1"]}, "stands twice"),
        ({"targets": [{"address": "a:1", "server_name": "-/-"}]}, "no host name"),
        ({"targets": [{"server_name": "a"}]}, "Field required"),
    ],
)
def test_targets_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**wrong)
