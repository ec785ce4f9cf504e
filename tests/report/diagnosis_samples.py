"""Diagnoses as runs may bring them: sick, healthy, unsure, with faults of our own, and one whose names do harm.

Their sentences stand here, in both languages; the fixture `spoken` of the tests lends them to the catalogue.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.core import Message
from thalweg.diagnosis import Diagnosis, Hypothesis
from thalweg.findings import Change, Evidence, Finding, Picture, Severity, Tried, Where

AREA = "samples"
WORDS: dict[str, dict[str, str]] = {"en": {}, "zh": {}}
SCRIPT = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(20):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
"""
EVIL = "<script>alert(1)</script>"
ESCAPE = "\x1b[2J\u202e"


def said(en: str, zh: str, **values: Any) -> Message:
    """Build a sentence that only these samples say."""
    key = f"s{len(WORDS['en'])}"
    WORDS["en"][key], WORDS["zh"][key] = en, zh
    return Message(f"{AREA}.{key}", values)


FACT = said("a fact, not an estimate", "这是事实，不是估计")


def zero_grad(file: str) -> Finding:
    growth = np.exp(np.linspace(0, 3.3, 120)) * (1 + 0.15 * np.sin(np.arange(120)))
    return Finding(
        code="missing-zero-grad", category="loop", severity=Severity.CRITICAL, confidence=0.99, reckoned=FACT,
        cause=said(
            "At every step the gradient is the sum of this batch's and of all before it: nothing clears `.grad` "
            "between two calls of `optimizer.step()`.",
            "每一步的梯度都是当前批次与之前所有批次的梯度之和：两次 `optimizer.step()` 之间没有任何操作清零 `.grad`。",
        ),
        remedy=said("Clear the gradients before each backward pass.", "在每次反向传播之前清零梯度。"),
        where=Where(file=file, line=10, parameter="0.weight", step=2),
        evidence=(
            Evidence(
                what=said("gradient norm against that of this batch alone", "梯度范数与仅用当前批次计算之比"),
                value=27.31, unit="×", healthy="1",
            ),
            Evidence(
                what=said("steps since `.grad` was cleared", "距上次清零 `.grad` 的步数"), value=1200, healthy="<= 1"
            ),
            Evidence(what=said("cosine between two gradients in a row", "相邻两步梯度的余弦"), value=0.9981),
        ),
        picture=Picture(
            what=said("gradient norm, step by step", "逐步的梯度范数"),
            values=tuple(growth.tolist()), mark=104, healthy=1.0, log=True,
        ),
        change=Change(
            before="        loss.backward()\n        optimizer.step()",
            after="        optimizer.zero_grad()\n        loss.backward()\n        optimizer.step()",
        ),
        tried=Tried(measure="accuracy", before=0.112, after=0.9461, seeds=3, interval=(0.81, 0.85)),
        explains=("exploding-gradients", "lr-too-high"),
    )  # fmt: skip


def dead_units(file: str) -> Finding:
    names = ("features.0", "features.3", "features.6", "classifier.0", "classifier.2")
    return Finding(
        code="dead-relu", category="propagation", severity=Severity.WARNING, confidence=0.83,
        reckoned=said("{count} of 4 measurements agree", "4 次测量中有 {count} 次一致", count=3),
        cause=said(
            "71 % of the units of `features.6` give 0 for every example of every batch that was looked at.",
            "`features.6` 有 71 % 的单元对看过的每个批次、每个样本都输出 0。",
        ),
        remedy=said("Lower the rate, or use LeakyReLU.", "降低学习率，或改用 LeakyReLU。"),
        where=Where(file=file, line=4, layer="features.6", step=310),
        evidence=(Evidence(what=said("dead units", "失活单元"), value=71.0, unit="%", healthy="<= 20 %"),),
        picture=Picture(
            what=said("share of dead units in each layer, %", "各层失活单元的比例（%）"),
            values=(0.0, 4.0, 71.0, 12.5, math.nan), names=names, mark=2, healthy=20.0,
        ),
        change=Change(before="0.05", after="0.005", path="rule.lr"),
    )  # fmt: skip


def unscaled(file: str) -> Finding:
    return Finding(
        code="unscaled-inputs", category="data", severity=Severity.WARNING, confidence=0.64,
        reckoned=said("the trial removed two thirds of the symptom", "试验消除了三分之二的症状"),
        cause=said(
            "The columns of the input differ in scale by a factor of 3,100.", "输入各列的尺度相差 3,100 倍。"
        ),
        remedy=said("Standardise the inputs.", "对输入做标准化。"),
        where=Where(file=file, line=8),
        evidence=(Evidence(what=said("condition of the inputs", "输入的条件数"), value=9.6e6, healthy="< 1e4"),),
    )  # fmt: skip


def early(file: str) -> Finding:
    return Finding(
        code="stopped-too-early", category="rate", severity=Severity.NOTE, confidence=0.5, reckoned=FACT,
        cause=said("The last fifth of the run still took 6 % off the loss.", "最后五分之一的训练仍使损失降低了 6 %。"),
        remedy=said("Train longer.", "训练更久。"), where=Where(file=file, line=7),
    )  # fmt: skip


def vanishing(file: str) -> Finding:
    values = tuple((10.0 ** np.linspace(-9.4, -1.2, 14)).tolist())
    return Finding(
        code="vanishing-gradients", category="propagation", severity=Severity.CRITICAL, confidence=0.91,
        reckoned=said("four orders of magnitude beyond the limit", "超出界限四个数量级"),
        cause=said(
            "On its way back the gradient shrinks by a factor of 4 in every layer.",
            "反向传播时，梯度每过一层缩小为原来的四分之一。",
        ),
        remedy=said("Use ReLU with He initialisation, or normalise.", "改用 ReLU 与 He 初始化，或加入归一化层。"),
        where=Where(file=file, line=4, layer="encoder.layers.0.self_attn.out_proj", parameter="weight"),
        picture=Picture(
            what=said("gradient norm of each layer", "各层的梯度范数"), values=values, mark=0, healthy=1e-3, log=True,
            names=tuple(f"encoder.layers.{k}.self_attn.out_proj" for k in range(14)),
        ),
    )  # fmt: skip


RULED_OUT = (
    Hypothesis(
        code="lr-too-low", holds=False, tried=said("rate × 10 for 60 steps", "学习率 × 10，训练 60 步"),
        result=said("the loss stays at 2.30", "损失停在 2.30"),
    ),
    Hypothesis(
        code="dead-relu", holds=False, tried=said("fresh start", "重新初始化"),
        result=said("no unit is dead, the loss stays", "没有失活的单元，损失不变"),
    ),
    Hypothesis(
        code="underfitting", holds=None, tried=said("a copy four times as wide", "加宽到四倍的副本"),
        result=said("the budget was used up after 12 steps", "12 步后预算用尽"),
    ),
    Hypothesis(
        code="unscaled-inputs", holds=True, tried=said("standardised inputs", "标准化后的输入"),
        result=said("the loss falls to 0.42 in 60 steps", "60 步内损失降到 0.42"),
    ),
)  # fmt: skip
UNSEEN = (
    said(
        "`model.head` runs inside torch.compile: its activations.", "`model.head` 由 torch.compile 编译，看不到激活值。"
    ),
    said("The validation data: the script never left training mode.", "验证数据：脚本从未离开训练模式。"),
)  # fmt: skip


def losses(kind: str, steps: int) -> tuple[float, ...]:
    rng = np.random.default_rng(0)
    t = np.arange(steps)
    curve = {
        "growing": 2.3 + 0.4 * np.exp(t / steps * 4) / 10,
        "falling": 2.3 * np.exp(-t / steps * 4) + 0.05,
        "level": np.full(steps, 2.303),
    }[kind] * (1 + 0.06 * rng.normal(size=steps))
    return tuple(curve.tolist())


def samples(folder: Path) -> dict[str, Diagnosis]:
    """Return the diagnoses by name; the script that they speak of is written to `folder`."""
    path = folder / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    file = str(path)
    seen = {"models": ("Sequential",), "optimizers": ("SGD(lr=0.05)",), "steps": 1200, "seconds": 42.13}
    cost = {"overhead": 0.018, "judged_seconds": 3.24}
    sick = Diagnosis(
        verdict="sick", findings=(zero_grad(file), dead_units(file), unscaled(file), early(file)),
        losses=losses("growing", 1200), hypotheses=(*RULED_OUT[:2], RULED_OUT[3]), unseen=UNSEEN[:1], **seen, **cost,
    )  # fmt: skip
    lost = (*losses("growing", 400), *([math.nan] * 200))
    return {
        "sick": sick,
        "layers": Diagnosis(verdict="sick", findings=(vanishing(file),), losses=losses("level", 900), **seen, **cost),
        "healthy": Diagnosis(
            verdict="healthy", findings=(early(file),), losses=losses("falling", 1200), **seen, **cost
        ),
        "unsure": Diagnosis(
            verdict="unsure", losses=losses("level", 60), hypotheses=RULED_OUT[:3], unseen=UNSEEN,
            **{**seen, "steps": 60, "seconds": 0.912}, **cost,
        ),
        "suspected": Diagnosis(
            verdict="unsure", findings=(unscaled(file),), losses=losses("level", 900), hypotheses=RULED_OUT[:3], **seen
        ),
        "faulty": Diagnosis(
            verdict="sick", findings=(dead_units(file),) * 6, losses=lost, **seen, **cost,
            faults=("checks.symmetry: ValueError: matmul got (3, 4) and (5, 6)", "watch: could not hook `Flow.sample`"),
        ),
        "untrained": Diagnosis(verdict="unsure"),
        "evil": evil(folder),
    }  # fmt: skip


def evil(folder: Path) -> Diagnosis:
    """Return a diagnosis of a script whose every name is made to do harm."""
    path = folder / "a<b>.py"
    path.write_text(f"x = 1\ny = '{EVIL}{ESCAPE}'\n", encoding="utf-8")
    name = EVIL + ESCAPE + "很长的名字" * 9
    harm = said(EVIL + ESCAPE + " {name}", EVIL + ESCAPE + "{name}", name=name)
    finding = Finding(
        code=f'x" onload="{EVIL}', category=EVIL, severity=Severity.CRITICAL, confidence=1.0, reckoned=harm,
        cause=harm, remedy=harm, where=Where(file=str(path), line=2, layer=name, parameter=name, step=3),
        evidence=(Evidence(what=harm, value=math.inf, unit=name, healthy=f"<= {EVIL}"),),
        picture=Picture(what=harm, values=(1.0, -2.0, math.inf), names=(name, "b", "c"), mark=7, healthy=math.nan),
        change=Change(before=EVIL + ESCAPE, after=name), explains=(EVIL,),
        tried=Tried(measure=EVIL, before=math.nan, after=1.0),
    )  # fmt: skip
    return Diagnosis(
        verdict="sick", findings=(finding, finding), steps=1, losses=(math.nan, math.nan), faults=(name,),
        unseen=(harm,), hypotheses=(Hypothesis(code=EVIL, tried=harm, result=harm),), models=(name,),
    )  # fmt: skip
