"""What thalweg says, in English and Chinese: `say("train.restored", epoch=7)`.

Each area has one catalogue a language, `en/<area>.toml` and `zh/<area>.toml`, with the same keys; a test holds them
equal. A `Message` keeps key and values apart, so that what was recorded in one language can be read in the other.
"""

import dataclasses
import functools
import os
import tomllib
from importlib import resources
from typing import Any

from thalweg.core.errors import UnknownName

LANGUAGES = ("en", "zh")
_current: list[str] = []


def language() -> str:
    """Return the language in use: the one set, else THALWEG_LANG, else the system's if Chinese, else English."""
    if _current:
        return _current[0]
    asked = os.environ.get("THALWEG_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en"
    return "zh" if asked.lower().startswith("zh") else "en"


def set_language(lang: str | None) -> None:
    """Use this language from here on; None returns to the environment's."""
    if lang is not None and lang not in LANGUAGES:
        raise UnknownName("language", lang, LANGUAGES)
    _current[:] = [lang] if lang else []


@functools.cache
def catalogue(lang: str, area: str) -> dict[str, str]:
    """Read one area's sentences in one language."""
    text = resources.files(__package__).joinpath(lang, f"{area}.toml").read_text(encoding="utf-8")
    return {key: str(value) for key, value in tomllib.loads(text).items()}


def say(key: str, lang: str | None = None, /, **values: Any) -> str:
    """Say the sentence `area.key` in the language in use, or in `lang`, with the values filled in."""
    area, _, name = key.partition(".")
    return catalogue(lang or language(), area)[name].format(**values)


@dataclasses.dataclass(frozen=True)
class Message:
    """Hold a sentence that can be said in any language."""

    key: str
    values: dict[str, Any] = dataclasses.field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        return say(self.key, lang, **self.values)

    def __str__(self) -> str:
        return self.text()


def message(key: str, **values: Any) -> Message:
    """Build a message from its key and values."""
    return Message(key, values)
