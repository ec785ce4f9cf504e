"""Sentences inside sentences, and numbers as people write them."""

import math

from thalweg.core import Message, message
from thalweg.findings import Severity

SIGNS = {Severity.CRITICAL: "✗", Severity.WARNING: "!", Severity.NOTE: "·"}


def phrase(message: Message, lang: str | None) -> str:
    """Say a message in a language; messages among its values are said in the same language."""
    values = {name: phrase(v, lang) if isinstance(v, Message) else v for name, v in message.values.items()}
    return Message(message.key, values).text(lang)


def either(value: Message | str, lang: str | None) -> str:
    """Say a message, or give back what is the same in every language."""
    return phrase(value, lang) if isinstance(value, Message) else value


def number(value: float, digits: int = 4) -> str:
    """Write a number in few significant digits: 0.0312, 1,797, 3.2e-07; a dash where there is none."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}"
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def percent(share: float) -> str:
    """Write a share as a percentage, exact enough that 1 is not claimed for less.

    >>> percent(0.97778), percent(1.0), percent(0.99996)
    ('97.8 %', '100 %', '>99.9 %')
    """
    if not math.isfinite(share):
        return "–"
    text = f"{100 * share:.1f}".removesuffix(".0")
    if share < 1 and text == "100":
        return ">99.9 %"
    if share > 0 and text == "0":
        return "<0.1 %"
    return f"{text} %"


def duration(seconds: float) -> str:
    """Write seconds as 4.2 s, 3 min 20 s, 2 h 05 min.

    >>> duration(4.21), duration(200), duration(7500)
    ('4.2 s', '3 min 20 s', '2 h 05 min')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 0.95 else f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest} s"


def metric_name(metric: str) -> Message:
    """Name a metric in words; one that is not ours keeps its name."""
    known = ("loss", "accuracy", "macro_f1", "r2", "mae", "rmse", "perplexity", "bits")
    return message(f"report.metric_{metric}") if metric in known else message("report.as_is", text=metric)


def metric_value(metric: str, value: float) -> str:
    """Write a metric as people read it: shares as percentages."""
    return percent(value) if metric in ("accuracy", "macro_f1") else number(value)
