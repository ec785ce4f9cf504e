"""A run as a record, schema 1: what `--json` gives for `train` and `runs show`.

{schema, kind: "run", name, path, outcome, source, model, seed, steps, seconds,
 scores: {split: {metric: value}}, findings: [DESIGN §7], said: [sentence], recipe: {field: value}}
"""

from typing import Any

from thalweg.runs import Run
from thalweg.train import describe, recipe_to_plain


def run_record(run: Run) -> dict[str, Any]:
    """Write a run as plain values."""
    recipe, trace = run.recipe, run.trace
    meta = trace.meta()
    return {
        "name": run.name,
        "path": str(run.path),
        "outcome": run.outcome.value,
        "source": recipe.data.name,
        "model": describe(recipe.model) if recipe.model else None,
        "seed": recipe.seed,
        "steps": int(meta.get("steps") or len(trace.steps()["step"])),
        "seconds": meta.get("seconds"),
        "scores": run.scores,
        "findings": [finding.to_plain() for finding in run.findings],
        "said": [str(sentence) for sentence in run.said],
        "recipe": recipe_to_plain(recipe),
    }
