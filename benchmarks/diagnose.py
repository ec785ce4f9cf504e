"""What diagnosis gets right, on scripts with a planted fault and the same scripts without it.

    python benchmarks/diagnose.py [--cases FOLDER] [--seeds 0 1] [--jobs 2] [--only a01 b16]

Each folder of cases holds sick.py, well.py, or one of them, and truth.json: `main` and `accepted` codes, `category`,
`fault_lines`. A run is the command itself, in a process of its own. Written down: per category what was found, named
and placed; false alarms among the healthy; and how often findings of each confidence are right.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from timing import keep

from thalweg.diagnosis.codes import CATEGORY

CASES = Path(__file__).parent / "cases"
BINS = (0.0, 0.7, 0.8, 0.9, 0.95, 1.01)
ALARMS = ("critical", "warning")
LIMIT = 300.0  # seconds
NO_ANSWER = {"findings": [], "verdict": "no answer", "judged_seconds": 0.0, "overhead": 0.0}


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one script: `truth` is empty for a healthy one, `first` the finding on top if it is an alarm."""

    script: str
    seed: int
    category: str
    truth: tuple[str, ...]
    verdict: str
    first: str
    confidence: float
    placed: bool
    judged: float
    overhead: float

    @property
    def right(self) -> bool:
        return self.first in self.truth


def examine(folder: Path, which: str, seed: int) -> Result:
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    script = folder / f"{which}.py"
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "answer.json"
        command = [sys.executable, "-m", "thalweg", "diagnose", str(script), "--json", str(out), "--quiet"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([*command, "--", "--seed", str(seed)], capture_output=True, timeout=LIMIT, check=False)
        answer = json.loads(out.read_text("utf-8")) if out.is_file() else NO_ANSWER
    tolerated = truth.get("tolerated", []) if which == "well" else []
    alarms = [f for f in answer["findings"] if f["severity"] in ALARMS and f["code"] not in tolerated]
    sick = which == "sick" and bool(truth.get("main"))
    return Result(
        script=f"{folder.name}/{which}",
        seed=seed,
        category=truth.get("category") or "odd",
        truth=tuple(truth["accepted"]) if sick else (),
        verdict=answer["verdict"],
        first=alarms[0]["code"] if alarms else "",
        confidence=alarms[0]["confidence"] if alarms else 0.0,
        placed=bool(alarms) and _near(alarms[0]["where"], script, truth.get("fault_lines", [])),
        judged=answer["judged_seconds"],
        overhead=answer["overhead"],
    )


def _near(where: dict[str, Any], script: Path, lines: Sequence[int]) -> bool:
    if not where.get("file") or Path(where["file"]).resolve() != script.resolve():
        return False
    return any(abs(where["line"] - line) <= 2 for line in lines)


def scores(results: Iterable[Result]) -> dict[str, dict[str, int]]:
    """Count, for each category and in all: sick scripts, found, rightly named, in the right category, placed."""
    rows: dict[str, dict[str, int]] = {}
    for r in (r for r in results if r.truth):
        told = {
            "sick": True, "found": bool(r.first), "named": r.right, "placed": r.placed,
            "category": CATEGORY.get(r.first) == r.category,
        }  # fmt: skip
        for name in (r.category, "all"):
            row = rows.setdefault(name, dict.fromkeys(told, 0))
            for key, value in told.items():
                row[key] += value
    return rows


def calibration(results: Iterable[Result]) -> list[dict[str, float]]:
    """Return, for each span of confidence, how many first findings lie in it and what share of them is right."""
    told = [r for r in results if r.first]
    rows = []
    for low, high in itertools.pairwise(BINS):
        inside = [r for r in told if low <= r.confidence < high]
        if inside:
            said = statistics.mean(r.confidence for r in inside)
            right = statistics.mean(r.right for r in inside)
            rows.append({"from": low, "findings": len(inside), "said": round(said, 3), "right": round(right, 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    parser.add_argument("--out", default="diagnose.json", help="name under benchmarks/results")
    asked = parser.parse_args()
    folders = [f for f in sorted(asked.cases.iterdir()) if (f / "truth.json").is_file()]
    work = [
        (folder, which, seed)
        for folder, which, seed in itertools.product(folders, ("sick", "well"), asked.seeds)
        if folder.name.startswith(tuple(asked.only)) and (folder / f"{which}.py").is_file()
    ]
    results = []
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        for result in pool.map(lambda item: examine(*item), work):
            results.append(result)
            if result.truth:
                mark = "right" if result.right else "WRONG" if result.first else "missed"
            else:
                mark = "FALSE" if result.first else "quiet"
            print(f"{result.script:34s} {result.seed} {mark:6s} {result.first}", flush=True)
    rows, healthy = scores(results), [r for r in results if not r.truth]
    print(f"\n{'':16s}{'sick':>8s}{'found':>8s}{'named':>8s}{'category':>10s}{'placed':>8s}")
    for name, row in sorted(rows.items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"{name:16s}{row['sick']:8d}{row['found']:8d}{row['named']:8d}{row['category']:10d}{row['placed']:8d}")
    print(f"without an answer: {sum(r.verdict == NO_ANSWER['verdict'] for r in results)} of {len(results)} runs")
    print(f"false alarms: {sum(bool(r.first) for r in healthy)} of {len(healthy)} healthy runs")
    for row in calibration(results):
        said, right = row["said"], row["right"]
        print(f"confidence from {row['from']:.2f}: {row['findings']:3d} findings, said {said:.2f}, right {right:.2f}")
    keep(asked.out, {"scores": rows, "calibration": calibration(results), "results": results})


if __name__ == "__main__":
    main()
