"""The same tests of the same rules under `watcher rules test` and `promtool test rules`, whole processes.

The proofs in `benchmarks/rules/cdn` are put into the peer's form: values are written alike, and what is
expected when a bin has ended is expected when its sample has come, one minute before. Windows are a second
shorter for the peer, which counts both ends of one.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from benchmarks.goals import QUICK, Goal, tell
from benchmarks.prometheus import version
from watcher.model.time import MINUTE, format_duration, parse_duration
from watcher.rulebook.series import parse_name

HERE: Final = Path(__file__).parent
CDN: Final = HERE / "rules" / "cdn"
PROGRAM: Final = "promtool"
COPIES: Final = 4 if QUICK else 20
RUNS: Final = 3
_SHARED: Final = ("account", "provider", "resource")
_UNSHARED: Final = frozenset({"tier", "basis"})
"""Labels that are ours alone."""


def peer_rules(alert: str) -> str:
    """The peer's rule and what it reads, with windows that hold as many samples as ours hold bins."""
    (group,) = YAML(typ="safe").load(HERE / "prometheus_cdn.yml")["groups"]
    own = next(rule for rule in group["rules"] if rule.get("alert") == alert)
    read = [rule for rule in group["rules"] if "record" in rule and rule["record"] in own["expr"]]
    text = json.dumps({"groups": [{"name": alert, "rules": [*read, own]}]})
    return text.replace("[5m]", "[299s]").replace("[1h]", "[3599s]").replace("[24h]", "[86399s]")


def peer_test(case: Mapping[str, Any], alert: str) -> dict[str, Any]:
    """One case of ours in the peer's form."""
    series = [_series(name) for name in case["given"]]
    inputs = [
        {"series": _written(metric, labels), "values": values}
        for (metric, labels), values in zip(series, case["given"].values(), strict=True)
    ]
    groups = sorted({tuple(labels[name] for name in _SHARED) for _, labels in series})
    firing: dict[str, list[dict[str, Any]]] = {}
    for one in case["expect"]:
        at = firing.setdefault(format_duration(parse_duration(one["at"]) - MINUTE), [])
        wanted = one.get("labels", {}).items()
        meant = [
            labels for group in groups if wanted <= (labels := dict(zip(_SHARED, group, strict=True))).items()
        ]
        at += [{"exp_labels": labels} for labels in meant if one["state"] == "firing"]
    expected = [{"eval_time": at, "alertname": alert, "exp_alerts": alerts} for at, alerts in firing.items()]
    return {"interval": "1m", "input_series": inputs, "alert_rule_test": expected}


def _series(name: str) -> tuple[str, dict[str, str]]:
    metric, labels = parse_name(name)
    metric = "cdn_requests" if metric == "cdn_status_responses" else metric
    return metric, {key: value for key, value in labels.items() if key not in _UNSHARED}


def _written(metric: str, labels: Mapping[str, str]) -> str:
    return f"{metric}{{{', '.join(f'{name}={json.dumps(value)}' for name, value in labels.items())}}}"


def lay_out(folder: Path) -> tuple[int, list[str], list[str]]:
    """Copies of the proofs for both; how many cases, and both commands."""
    ours, theirs, cases = folder / "ours", folder / "theirs", 0
    theirs.mkdir()
    files = []
    for rule, tests in _proofs():
        (theirs / f"{rule}.rules.yml").write_text(peer_rules(rule))
        one = {
            "rule_files": [f"{rule}.rules.yml"],
            "evaluation_interval": "1m",
            "tests": [peer_test(case, rule) for case in tests["cases"]] * COPIES,
        }
        files.append(theirs / f"{rule}.test.yml")
        files[-1].write_text(json.dumps(one))
        cases += len(one["tests"])
        for copy in range(COPIES):
            target = ours / str(copy)
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(CDN / f"{rule}.yaml", target)
            shutil.copy(CDN / f"{rule}.test.yaml", target)
    watcher = [sys.executable, "-m", "watcher", "rules", "test", str(ours)]
    return cases, watcher, [PROGRAM, "test", "rules", *map(str, files)]


def _proofs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(CDN.glob("*.test.yaml")):
        yield path.name.partition(".")[0], YAML(typ="safe").load(path)


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a whole process whose tests must pass.

    Raises:
        RuntimeError: they did not.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603 - the two programs that are compared
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: exit {done.returncode}\n{done.stdout[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Both in turn; 1 where the peer is missing."""
    program = shutil.which(PROGRAM)
    with tempfile.TemporaryDirectory() as folder:
        cases, ours, theirs = lay_out(Path(folder))
        if program is None:
            what = f"{cases} rule tests, times as fast as promtool"
            tell(Goal("tests", what, 1, None, "times", at_least=True, why="peer missing"))
            return 1
        pairs = [(timed(ours), timed([program, *theirs[1:]])) for _ in range(RUNS)]
    for at, name in ((0, "watcher rules test"), (1, f"promtool {version(program)} test rules")):
        wall = statistics.median(pair[at][0] for pair in pairs)
        cpu = statistics.median(pair[at][1] for pair in pairs)
        print(f"{name:<40} {cases} cases: {wall:.2f} s, {cpu:.2f} CPU-s, start of the process included")
    ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
    tell(Goal("tests", f"{cases} rule tests, times as fast as promtool", 1, ratio, "times", at_least=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
