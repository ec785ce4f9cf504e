"""Write the catalogues' tables into the documents, in both languages: `make docs`.

A table stands between `<!-- catalogue:rules -->` and `<!-- end -->`; several families may share one. Names, classes and
fields come from the code, sentences from core/words. `make docs` changes nothing else, and a test asks that it was run.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thalweg.report.catalogue import FAMILIES, Family, sentence_of

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- catalogue:([\w ]+) -->\n).*?(<!-- end -->)", re.S)
_HEADS: dict[str, tuple[str, ...]] = {
    "en": ("Name", "Class", "Fields", "What it is"),
    "zh": ("名称", "类", "字段", "含义"),
}


def main() -> None:
    """Bring every page up to date, and name those that were not."""
    for page in sorted(DOCS.rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = filled(old, language_of(page))
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(DOCS))


def language_of(page: Path) -> str:
    """Return the language of a page by its folder."""
    return "zh" if page.parent.name == "zh" else "en"


def filled(text: str, lang: str) -> str:
    """Return a page with its tables as they should be."""
    return _TABLE.sub(lambda found: found[1] + table(found[2].split(), lang) + found[3], text)


def table(families: list[str], lang: str) -> str:
    """Return the table of these families. One without classes of components has two columns."""
    rows = [row for name in families for row in _rows(FAMILIES[name], lang)]
    head = _HEADS[lang]
    if all(len(row) == 2 for row in rows):
        head = (head[0], head[-1])
    lines = ["|".join(("", *(f" {cell} " for cell in row), "")) for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def _rows(family: Family, lang: str) -> Iterator[tuple[str, ...]]:
    for name, member in sorted(family.members().items()):
        sentence = sentence_of(family, name, lang).replace("|", r"\|")
        if isinstance(member, type) and dataclasses.is_dataclass(member):
            fields = ", ".join(f"`{_field(field)}`" for field in dataclasses.fields(member)) or "–"
            yield f"`{name}`", f"`{member.__name__}`", fields, sentence
        else:
            yield f"`{name}`", sentence


def _field(field: dataclasses.Field[Any]) -> str:
    """Write a field with its default, where it has one to show."""
    plain = field.default is dataclasses.MISSING or field.default is None
    return field.name if plain else f"{field.name}={field.default!r}"


if __name__ == "__main__":
    main()
