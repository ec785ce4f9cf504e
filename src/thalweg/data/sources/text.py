"""Text as a stream of characters, from files that the user names."""

import dataclasses
from typing import Annotated, ClassVar, final

from thalweg.core import DataError, Knob, UsageError, message
from thalweg.data.base import Dataset, OwnData, RawInputs
from thalweg.data.reading import existing_file
from thalweg.data.tokens import encode_text, vocabulary_of


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Text(OwnData):
    """Give the characters of UTF-8 files, one after the other; the task is to say the next one."""

    name: ClassVar[str] = "text"
    content: ClassVar[tuple[str, ...]] = ("paths",)
    paths: tuple[str, ...]
    window: Annotated[int, Knob("characters that an example holds", "[1, inf)", 16, 512, log=True)] = 64
    stride: Annotated[
        int | None,
        Knob("characters from one example to the next; without it they do not overlap", "[1, inf)", 1, 512),
    ] = None

    def check(self) -> None:
        if not self.paths:
            raise UsageError("`Text(paths=...)` must name at least one file, got (); give the paths of text files.")

    def load(self) -> Dataset:
        text = self._read()
        vocabulary = vocabulary_of(text)
        tokens = encode_text(text, vocabulary).numpy()
        return Dataset(
            inputs=tokens,
            targets=tokens,
            task="language",
            kind="tokens",
            target_names=("next character",),
            vocabulary=vocabulary,
            window=self.window,
            stride=self.stride or self.window,
            said=(message("data.text", characters=len(text), different=len(vocabulary) - 1),),
            origin=self.paths[0],
        )

    def load_inputs(self) -> RawInputs:
        return RawInputs(values=self._read(), file=self.paths[0])

    def _read(self) -> str:
        return "\n".join(_read_file(path) for path in self.paths)


def _read_file(name: str) -> str:
    path = existing_file(name)
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8 text.", file=name, row=row
        ) from None
    if not text.strip():
        raise DataError("the file is empty.", file=name)
    return text.replace("\r\n", "\n")
