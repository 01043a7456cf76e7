"""A Prometheus of our own on loopback: started in a folder, loaded by remote write, ended by id."""

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.remote_write import HEADERS
from watcher.model.time import Instant, parse_rfc3339

PROGRAM: Final = "prometheus"
_STARTS: Final = 60
"""Seconds it gets to be ready, and to end."""
_ONE_BLOCK: Final = "100h"
"""So that the whole day stays in the head: nothing is compacted while we measure."""


class PeerMissing(Exception):
    """The peer is not installed here."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a rule group: when, for how long, and what fires after it."""

    at: Instant
    seconds: float
    firing: Mapping[str, frozenset[str]]
    """Resources by alert."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    port: int
    folder: Path
    version: str
    pid: int

    def write(self, body: bytes) -> None:
        """One remote write.

        Raises:
            RuntimeError: it was refused.
        """
        self._ask("POST", "/api/v1/write", body, HEADERS)

    def judge(self, rules: str) -> None:
        """Let it evaluate this rule file from now on."""
        (self.folder / "rules.yml").write_text(rules)
        self._ask("POST", "/-/reload")

    def evaluation(self, group: str) -> Evaluation | None:
        """The last evaluation of a group, if there was one."""
        answer = json.loads(self._ask("GET", "/api/v1/rules"))
        for one in answer["data"]["groups"]:
            if one["name"] == group and not one["lastEvaluation"].startswith("0001"):
                return _evaluation(one)
        return None

    def resident(self) -> int:
        """Bytes of resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status}, {content[:300].decode(errors='replace')}")
        return content


@contextmanager
def running(folder: Path) -> Iterator[Prometheus]:
    """Start one on a free port with an empty database under `folder`; it ends with the block.

    Raises:
        PeerMissing: Debian's package `prometheus` is not installed.
        TimeoutError: it did not become ready.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise PeerMissing(PROGRAM)
    config = folder / "prometheus.yml"
    config.write_text(f"rule_files: [{folder / 'rules.yml'}]\n")
    port = _free_port()
    command = [program, *_flags(config, folder, port)]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - the program found on PATH, by its whole name
        try:
            peer = Prometheus(port, folder, version(program), process.pid)
            _wait_until_ready(port, process)
            yield peer
        finally:
            _end(process)


def version(program: str) -> str:
    """What the program calls its version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - as above
    return (said.stdout or said.stderr).split()[2]


def _flags(config: Path, folder: Path, port: int) -> Sequence[str]:
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.min-block-duration={_ONE_BLOCK}",
        f"--storage.tsdb.max-block-duration={_ONE_BLOCK}",
        "--storage.tsdb.retention.time=30d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]


def _evaluation(group: Mapping[str, Any]) -> Evaluation:
    firing = {
        rule["name"]: frozenset(
            alert["labels"]["resource"] for alert in rule["alerts"] if alert["state"] == "firing"
        )
        for rule in group["rules"]
        if rule["type"] == "alerting"
    }
    return Evaluation(parse_rfc3339(group["lastEvaluation"]), float(group["evaluationTime"]), firing)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _STARTS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise TimeoutError(f"not ready after {_STARTS} s, see its log")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STARTS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
