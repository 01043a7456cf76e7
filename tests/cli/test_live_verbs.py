"""Verbs that talk to others, against real servers on loopback; the daemon and the demo as processes."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
import pytest

from tests.cli.conftest import Cli, Ended
from watcher.cli import systemd
from watcher.runtime.clock import SystemClock
from watcher.simulate.scenario import FIRST_LIGHT, load_scenario
from watcher.simulate.serve import serve
from watcher.simulate.webhook_catcher import webhook_catcher


@asynccontextmanager
async def cdn() -> AsyncIterator[dict[str, object]]:
    """A simulated CDNvideo, as an entry for `sources`."""
    async with serve(load_scenario(FIRST_LIGHT), clock=SystemClock()) as simulation:
        yield simulation.announcement()["cdnvideo"]["source"] | {"limit": 500}


async def called(cli: Cli, *words: object) -> Ended:
    """In a thread of its own, as its servers run in this one."""
    return await anyio.to_thread.run_sync(partial(cli, *words))


def configured(folder: Path, *sources: object, hook: str = "json://127.0.0.1:9/") -> Path:
    path = folder / "watcher.yaml"
    receivers = [{"name": "hook", "urls": [hook]}]
    path.write_bytes(orjson.dumps({"sources": sources, "receivers": receivers}))
    return path


@asynccontextmanager
async def started(*words: object, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of watcher, killed if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
    )
    try:
        with anyio.fail_after(50):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_until(stream: asyncio.StreamReader | None, word: str) -> str:
    """All lines up to the first that holds the word."""
    assert stream is not None
    text = ""
    while word not in text and (line := await stream.readline()):
        text += line.decode()
    assert word in text
    return text


async def test_a_source_that_answers_is_up(tmp_path: Path, cli: Cli) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source)
        ended = await called(cli, "sources", "test", "-c", config)
        answer = await called(cli, "sources", "test", "cdnvideo", "--json", "-c", config)

    assert (ended.code, ended.err) == (0, "")
    assert "cdnvideo test_account/resources up" in " ".join(ended.out.split())
    assert all(stream["ok"] for stream in answer.json["streams"])
    assert "demo-password" not in ended.out + answer.out


async def test_a_source_that_does_not_answer_is_an_answer_of_no(tmp_path: Path, cli: Cli) -> None:
    async with cdn() as source:
        ended = await called(
            cli, "sources", "test", "-c", configured(tmp_path, source | {"password": "wrong-password"})
        )

    assert ended.code == 1
    assert "down (auth)" in ended.out
    assert "wrong-password" not in ended.out + ended.err


def test_unknown_names_are_an_answer_of_no(tmp_path: Path, cli: Cli) -> None:
    config = configured(tmp_path, {"name": "edge", "vendor": "tls", "targets": ["127.0.0.1:9"]})

    source, receiver = cli("sources", "test", "edg", "-c", config), cli("notify", "test", "hok", "-c", config)

    assert (source.code, source.complaints) == (1, ["no source `edg`; did you mean `edge`?"])
    assert (receiver.code, receiver.complaints) == (1, ["no receiver `hok`; did you mean `hook`?"])


async def test_a_test_message_arrives_or_is_said_not_to(tmp_path: Path, cli: Cli) -> None:
    async with webhook_catcher() as catcher:
        config = configured(tmp_path, hook=catcher.apprise_url)
        told = await called(cli, "notify", "test", "hook", "-c", config)
        catcher.status = 503
        refused = await called(cli, "notify", "test", "hook", "--json", "-c", config)

    assert (told.code, told.err) == (0, "")
    assert catcher.hooks[0].body["title"] == "Test: watcher reaches hook/0"
    assert (refused.code, refused.json["targets"][0]["ok"]) == (1, False)


async def test_the_daemon_stops_at_a_signal_and_prints_nothing_but_logs(tmp_path: Path) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source)
        manager = tmp_path / "notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
            inbox.bind(str(manager))
            async with started("run", "-c", config, NOTIFY_SOCKET=str(manager)) as daemon:
                await read_until(daemon.stderr, "starting")
                assert await anyio.to_thread.run_sync(inbox.recv, 100) == b"READY=1"
                daemon.send_signal(signal.SIGTERM)
                log = await read_until(daemon.stderr, "stopped")
                assert await daemon.wait() == 0
                assert daemon.stdout is not None
                assert await daemon.stdout.read() == b""
            assert inbox.recv(100) == b"STOPPING=1"
    assert "demo-password" not in log


async def test_a_reload_takes_the_file_as_it_is_now_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    async with cdn() as source:
        config = configured(tmp_path, source)
        good = orjson.loads(config.read_bytes())
        severity = {"rules": {"override": {"http_5xx_spike": {"severity": "warning"}}}}
        async with started("run", "-c", config) as daemon:
            await read_until(daemon.stderr, "engine_rebuilt")
            config.write_bytes(orjson.dumps(good | {"oops": 1}))
            daemon.send_signal(signal.SIGHUP)
            refused = await read_until(daemon.stderr, "reload_refused")
            config.write_bytes(orjson.dumps(good | severity))
            daemon.send_signal(signal.SIGHUP)
            reloaded = await read_until(daemon.stderr, "event=reloaded")
            config.write_bytes(orjson.dumps(good | {"database": "sqlite:///none/of/these.db"}))
            daemon.send_signal(signal.SIGHUP)
            await read_until(daemon.stderr, "reload_refused")
            await read_until(daemon.stderr, "engine_rebuilt")
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0
    assert "unknown key `oops`" in refused
    assert reloaded.index("event=reloading") < reloaded.index("event=starting")


async def test_the_daemon_ends_after_the_time_it_was_given(tmp_path: Path) -> None:
    async with started("run", "--for", "1s", "-c", configured(tmp_path)) as daemon:
        _, err = await daemon.communicate()

    assert daemon.returncode == 0
    assert b"no sources: nothing is watched" in err


async def test_the_simulator_says_where_it_is_and_ends_at_a_signal() -> None:
    async with started("simulate") as simulator:
        assert simulator.stdout is not None
        announced = orjson.loads(await simulator.stdout.readline())
        simulator.send_signal(signal.SIGINT)
        out, _ = await simulator.communicate()

    assert (simulator.returncode, out) == (0, b"")
    assert announced["cdnvideo"]["source"]["base_url"] == announced["cdnvideo"]["base_url"]


async def test_the_simulator_writes_a_configuration_that_reads_it(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "trial" / "watcher.yaml"
    for _ in ("new", "again"):
        async with started("simulate", "--write", path) as simulator:
            assert simulator.stdout is not None
            announced = orjson.loads(await simulator.stdout.readline())
            answer = await called(cli, "sources", "test", "cdnvideo", "--json", "-c", path)
            listed = await called(cli, "sources", "list", "--json", "-c", path)
        assert announced["cdnvideo"]["base_url"] in path.read_text()
        assert (answer.code, {one["vendor"] for one in answer.json["streams"]}) == (0, {"cdnvideo"})
        assert {one["name"] for one in listed.json["sources"]} == set(announced)


async def test_the_simulator_writes_what_it_planted(tmp_path: Path) -> None:
    path, announced = tmp_path / "truth.json", {}
    for _ in ("new", "again"):
        async with started("simulate", "--truth", path) as simulator:
            assert simulator.stdout is not None
            announced = orjson.loads(await simulator.stdout.readline())

    planted = orjson.loads(path.read_bytes())["planted"]
    assert {one["vendor"] for one in planted} == set(announced)
    shop = next(one for one in planted if one["about"] == "shop")
    assert (shop["vendor"], shop["rule"]) == ("cdnvideo", "http_5xx_spike")


def test_the_simulator_overwrites_nothing_that_it_has_not_written(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "watcher.yaml"
    path.write_text("precious")

    ended = cli("simulate", "--write", path)
    unwritten = cli("simulate", "--truth", path)
    nowhere = cli("simulate", "--write", path / "watcher.yaml")

    assert (ended.code, ended.out, path.read_text()) == (2, "", "precious")
    assert ended.complaints == [f"{path}: `watcher simulate` has not written this file; name another"]
    assert unwritten.complaints == ended.complaints
    assert (nowhere.code, len(nowhere.complaints)) == (2, 1)


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_what_is_no_port_is_wrong_use(port: str, cli: Cli) -> None:
    assert cli("simulate", f"--port={port}").code == 2


async def test_a_port_that_is_taken_is_wrong_use() -> None:
    async with webhook_catcher() as taken, started("simulate", "--port", taken.port) as simulator:
        out, err = await simulator.communicate()

    assert (simulator.returncode, out) == (2, b"")
    assert err.decode() == f"port {taken.port}: Address already in use; choose another with --port\n"


async def test_the_demo_finds_tells_stops_at_ctrl_c_and_leaves_what_can_be_asked(
    tmp_path: Path, cli: Cli
) -> None:
    began = anyio.current_time()
    async with started("demo", TMPDIR=str(tmp_path)) as demo:
        shown = await read_until(demo.stdout, "  opened ")
        first_after = anyio.current_time() - began
        for word in (
            "travel.example.com: offline",
            "provider gcore: 5xx",
            "Video on demand: hit ratio",
            "source huawei: API calls fail",
            "mail      Resolved after 12 min",
        ):
            if word not in shown:
                shown += await read_until(demo.stdout, word)
        demo.send_signal(signal.SIGINT)
        out, err = await demo.communicate()
        shown += out.decode()

    assert (demo.returncode, err) == (0, b"")
    assert first_after < 30
    assert re.search(r"resource Web shop: 5xx 1\d\.\d % of [\d ]+ requests, usually 0\.\d %", shown)
    assert "certificate expires in 4 d 23 h" in shown or "certificate expires in 5 d" in shown
    assert "webhook   [critical] domain_not_serving" in shown
    assert "Old downloads" not in shown
    counted = re.search(r": (\d+) incidents, (\d+) of them open; ", shown)
    assert counted is not None
    assert int(counted[1]) >= 7
    commands = [line.split(" -m watcher ")[1] for line in shown.splitlines() if " -m watcher " in line]
    assert [" ".join(command.split()[:2]) for command in commands] == [
        "incidents list",
        "incidents show",
        "incidents list",
    ]
    asked = [await called(cli, *command.split()) for command in commands]
    assert [(ended.code, ended.err) for ended in asked] == [(0, "")] * 3
    assert len(asked[-1].json["incidents"]) == int(counted[1])


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told_where_it_listens(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "n") if kind == "path" else f"@watcher-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(name.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        systemd.notify("READY=1")
        assert inbox.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")
