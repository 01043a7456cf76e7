"""A vendor's collector on the real middlewares, with a function at the far end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.vendors.cdnvideo_server import Server
from watcher.collect.collector import Access, Collector
from watcher.collect.http import Handler
from watcher.collect.middlewares import source_http
from watcher.collect.vendors import vendor
from watcher.model.ports import Clock
from watcher.model.time import SECOND

Build = Callable[..., Collector]


@pytest.fixture
def secrets() -> set[str]:
    """What collectors learned at run time and must not be seen."""
    return set()


@pytest.fixture
def build(clock: Clock, secrets: set[str]) -> Build:
    """`build("cdnvideo", handler, **settings)`: retries, limit and deadline are those of the daemon."""

    def build_one(name: str, exchange: Handler, **settings: Any) -> Collector:  # noqa: ANN401 - as YAML has it
        known = vendor(name)
        assert known is not None
        read = known.settings.model_validate({"name": "src", "vendor": name, **settings})
        http = source_http(exchange, source="src", limit=128, timeout=30 * SECOND, clock=clock)
        return known.build(read, Access(http, clock.now, learned=secrets.add))

    return build_one


@pytest.fixture
def server() -> Server:
    """CDNvideo, where all is well."""
    return Server()


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    """Where its root is."""
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)
