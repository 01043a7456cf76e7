"""Score the shipped rules on simulated fleets: generate, `watcher backtest`, compare with the truth.

python -m benchmarks.fleets                        # every setting, seed 1: what the rules were tuned on
python -m benchmarks.fleets --holdout --seeds 101,102   # settings varied by chance: what nobody looked at
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fleet_files import write
from benchmarks.fleet_score import Score, pooled, score
from benchmarks.fleet_settings import SETTINGS, Setting, varied
from benchmarks.fleet_world import fleet

GATES = "gate: F1 .80 (worst fleet .70), recall .80, precision .85, false/domain-month .5 (5), delay 1/8"
GOALS = "goal: F1 .92 (worst fleet .85), recall .90, precision .95, false/domain-month .15 (2), delay .5/3"


def judged(setting: Setting, seed: int, folder: Path) -> Score:
    """One fleet, through the command a user would type."""
    name = f"{setting.name}-{seed}"
    path = write(fleet(setting, seed), folder / f"{name}.csv.gz")
    command = [sys.executable, "-m", "watcher", "backtest", "--samples", str(path), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    truth = json.loads(path.with_suffix(".truth.json").read_text(encoding="utf-8"))
    path.unlink()
    return score(name, truth, json.loads(answer.stdout)["incidents"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a fleet, and one of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1", help="numbers, with commas between")
    parser.add_argument("--settings", default="", help="names, with commas between; all without")
    parser.add_argument("--holdout", action="store_true", help="vary each setting by its seed")
    options = parser.parse_args(arguments)
    wanted = options.settings.split(",") if options.settings else [setting.name for setting in SETTINGS]
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        for setting in SETTINGS:
            for seed in map(int, options.seeds.split(",")) if setting.name in wanted else ():
                made = varied(setting, seed) if options.holdout else setting
                scores.append(judged(made, seed, Path(folder)))
                print(scores[-1], flush=True)
    print(pooled("all", scores), GATES, GOALS, f"worst fleet {min(one.f1 for one in scores):.3f}", sep="\n")


if __name__ == "__main__":
    main()
