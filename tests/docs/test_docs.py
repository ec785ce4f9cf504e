"""The documents hold: members are named, links resolve, code runs, commands parse, both languages agree."""

import dataclasses
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from torch import nn

from thalweg.cli import front
from thalweg.core import set_language
from thalweg.data import SCALERS, SOURCES
from thalweg.findings import CHECKS
from thalweg.init import INITS
from thalweg.model import ACTIVATIONS, LOSSES, MODELS
from thalweg.norms import NORMS
from thalweg.regularisers import REGULARISERS
from thalweg.report.catalogue import FAMILIES as NAMED
from thalweg.rules import RULES
from thalweg.schedules import SCHEDULES
from thalweg.surface import SURFACES
from thalweg.train import FAMILIES, Recipe, read_recipe
from thalweg.train.recipe_file import read_toml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HIDDEN = ("build", "dist", "runs", "shared")
PAGES = sorted(DOCS.rglob("*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
ALL = [
    *sorted(ROOT.glob("*.md")),
    *(
        page
        for folder in sorted(ROOT.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in HIDDEN
        for page in sorted(folder.rglob("*.md"))
    ),
]
FAMILY_PAGES = {
    "data.md": (SOURCES, SCALERS),
    "model.md": (MODELS, LOSSES),
    "rules.md": (RULES,),
    "schedules.md": (SCHEDULES,),
    "init.md": (INITS,),
    "norms.md": (NORMS,),
    "regularisers.md": (REGULARISERS,),
    "surface.md": (SURFACES,),
    "findings.md": (CHECKS,),
}
FAMILY_PAGES |= {f"zh/{name}": held for name, held in FAMILY_PAGES.items() if (DOCS / "zh" / name).is_file()}
ZH = [(page.name, f"zh/{page.name}") for page in sorted((DOCS / "zh").glob("*.md"))]
FOLDERS = [init.parent.name for init in sorted((ROOT / "src/thalweg").glob("*/__init__.py"))]
TWINS = [(ROOT / "README.md", ROOT / "README.zh-CN.md"), *((DOCS / one, DOCS / two) for one, two in ZH)]


def named(pages: list[Path]) -> list:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return (info string, content) of each fenced block."""
    found = re.findall(r"^```([^\n`]*)\n(.*?)^```\s*$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [(info.strip(), content) for info, content in found]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def headings(page: Path) -> list[str]:
    return re.findall(r"^(#+) ", prose(page), re.M)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_has_a_page_that_the_map_names(folder: str) -> None:
    assert (DOCS / f"{folder}.md").is_file()
    for text in ((DOCS / "README.md").read_text("utf-8"), (DOCS / "zh/README.md").read_text("utf-8")):
        assert f"{folder}.md)" in text


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f != "cli"])
def test_each_exported_name_stands_in_its_page(folder: str) -> None:
    source = (ROOT / "src/thalweg" / folder / "__init__.py").read_text("utf-8")
    names = {name for name, again in re.findall(r"import (\w+) as (\w+)", source)}
    page = (DOCS / f"{folder}.md").read_text("utf-8")
    known = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", page))))
    assert sorted(names - known) == []


@pytest.mark.parametrize("name", FAMILY_PAGES)
def test_each_member_stands_in_its_page_with_its_fields(name: str) -> None:
    rows = (DOCS / name).read_text("utf-8").splitlines()
    for catalogue in FAMILY_PAGES[name]:
        for kind, member in catalogue.items():
            row = next((row for row in rows if row.startswith(f"| `{kind}` | `{member.__name__}` |")), None)
            assert row is not None, f"{name} lacks a row for {kind}"
            for field in dataclasses.fields(member):
                plain = field.default is dataclasses.MISSING or field.default is None
                shown = field.name if plain else f"{field.name}={field.default!r}"
                assert f"`{shown}`" in row, f"{name}: the row of {kind} lacks `{shown}`"


def tables() -> object:
    """Load docs/make_tables.py, which is a program and no part of the package."""
    spec = importlib.util.spec_from_file_location("make_tables", DOCS / "make_tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", named(PAGES))
def test_tables_are_as_make_docs_writes_them(page: Path) -> None:
    text, maker = page.read_text("utf-8"), tables()
    assert maker.filled(text, maker.language_of(page)) == text, "run `make docs`"


def test_each_family_has_its_table_in_both_languages() -> None:
    for folder in (DOCS, DOCS / "zh"):
        marked = {
            family
            for page in folder.glob("*.md")
            for found in re.findall(r"^<!-- catalogue:([\w ]+) -->$", page.read_text("utf-8"), re.M)
            for family in found.split()
        }
        have = {page.stem for page in folder.glob("*.md")}
        expected = {name for name, home in NAMED.items() if (PAGE_OF.get(name) or name) in have}
        assert marked == expected, folder.name
    assert set(NAMED) == {name for name in NAMED if (DOCS / f"{PAGE_OF.get(name) or name}.md").is_file()}


PAGE_OF = {
    "sources": "data", "scalers": "data", "models": "model", "activations": "model", "losses": "model",
    "penalties": "regularisers", "constraints": "regularisers", "augmentations": "regularisers",
    "surfaces": "surface",
}  # fmt: skip


def test_a_table_that_is_behind_is_seen() -> None:
    old = "<!-- catalogue:scalers -->\n| `gone` | `Gone` | – | It is gone. |\n<!-- end -->\nmore\n"
    maker = tables()
    english, chinese = maker.filled(old, "en"), maker.filled(old, "zh")
    assert "gone" not in english and "| `zca` | `WhitenZCA` | `eps=1e-06` | Whiten and turn back" in english
    assert "| 名称 | 类 | 字段 | 含义 |" in chinese and "白化" in chinese
    assert english.endswith("<!-- end -->\nmore\n") and maker.filled("no table", "en") == "no table"


def test_each_activation_is_named() -> None:
    text = (DOCS / "model.md").read_text("utf-8")
    assert [name for name in ACTIVATIONS if f"`{name}`" not in text] == []


def test_pages_name_no_member_that_is_gone() -> None:
    for name, catalogues in FAMILY_PAGES.items():
        classes = {member.__name__ for catalogue in catalogues for member in catalogue.values()}
        rows = re.findall(r"^\| `[\w-]+` \| `(\w+)` \| (?:`|–|\|)", (DOCS / name).read_text("utf-8"), re.M)
        assert rows and set(rows) <= classes, name


@pytest.mark.parametrize("page", named(ALL))
def test_relative_links_resolve(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{target} does not exist"
        if anchor and aim.suffix == ".md":
            slugs = [slug(line) for line in re.findall(r"^#+ (.+)$", prose(aim), re.M)]
            assert anchor in slugs, f"{target} is no heading"


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class MyModule(nn.Module):
    """Stand for the network that readers have."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x)


def runnable(page: Path) -> list[str]:
    return [content for info, content in blocks(page) if info == "python"]


@pytest.mark.parametrize("page", named([page for page in [*READMES, *PAGES] if runnable(page)]))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    X = draw.normal(size=(120, 4))
    names = {"__name__": page.stem, "X": X, "y": (X[:, 0] > 0).astype(np.int64), "MyModule": MyModule}
    for number, content in enumerate(runnable(page)):
        exec(compile(content, f"<{page.name}, block {number}>", "exec"), names)


def command_lines(page: Path) -> Iterator[str]:
    """Yield what is typed: lines of shell blocks, and code in the text that begins with thalweg."""
    for info, content in blocks(page):
        if info in ("sh", "bash", "console"):
            lines = content.replace("\\\n", " ").splitlines()
            yield from (line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith("thalweg"))
    yield from re.findall(r"`(thalweg [^`\n]+)`", prose(page))


@pytest.mark.parametrize("page", named([*READMES, *PAGES]))
def test_command_lines_parse(page: Path) -> None:
    for line in command_lines(page):
        words = shlex.split(line, comments=True)
        cut = next((place for place, word in enumerate(words) if word in (">", "|", "&&", "2>")), len(words))
        try:
            parses(front, words[1:cut], path="thalweg")
        except Exception as error:
            pytest.fail(f"{line!r}: {error}")
        finally:
            set_language(None)


def parses(command: click.Command, args: list[str], *, path: str) -> None:
    """Parse a command line as the program would, and call nothing."""
    eager = [word for word in args if word in ("--help", "--version")]
    assert set(eager) <= {name for param in command.params for name in param.opts}
    args = [word for word in args if word not in eager]
    if not isinstance(command, click.Group):
        lacking = [p for p in command.params if isinstance(p, click.Argument) and p.required]
        # In a text a verb may be named alone: `thalweg predict`.
        command.make_context(path, args if args or not lacking else ["x"] * len(lacking)).close()
        return
    if args:
        inner = command.get_command(click.Context(command), args[0])
        assert inner is not None, f"no verb {args[0]}"
        parses(inner, args[1:], path=f"{path} {args[0]}")


def test_a_wrong_command_line_is_seen() -> None:
    for words in (
        ["trian"],
        ["train", "digits", "--momentum", "0.9"],
        ["runs", "list"],
        ["report", "a", "b"],
    ):
        with pytest.raises((AssertionError, click.ClickException)):
            parses(front, words, path="thalweg")


@pytest.mark.parametrize(("one", "two"), [pytest.param(*pair, id=pair[1].name) for pair in TWINS])
def test_twins_have_the_same_headings_and_code(one: Path, two: Path) -> None:
    assert headings(one) == headings(two)
    ours, theirs = ([(info, code_of(content)) for info, content in blocks(p) if info != "text"] for p in (one, two))
    assert ours == theirs


def code_of(content: str) -> list[str]:
    """Return the lines of a block without comments, which are translated."""
    return [re.sub(r"\s+# .*$", "", line).rstrip() for line in content.splitlines()]


@pytest.mark.parametrize("page", ["README.md", "zh/README.md"])
def test_the_map_names_every_layer(page: str) -> None:
    contract = (ROOT / "pyproject.toml").read_text("utf-8").partition("layers = [")[2].partition("]")[0]
    layers = re.findall(r'"([^"]+)"', contract)
    diagram = next(content for info, content in blocks(DOCS / page) if info == "text")
    line = next(line for line in diagram.splitlines() if "core <-" in line)
    assert line.strip() == " <- ".join(reversed(layers))


def test_the_documented_recipe_is_read_and_names_every_field(tmp_path: Path) -> None:
    text = next(content for info, content in blocks(DOCS / "recipe.md") if info == "toml recipe")
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    recipe, plain = read_recipe(file), read_toml(file)
    assert {field.name for field in dataclasses.fields(Recipe)} <= set(plain)
    for name in FAMILIES:
        part = getattr(recipe, name)
        assert {field.name for field in dataclasses.fields(part)} <= set(plain[name]), name


def test_trace_columns_are_documented() -> None:
    from thalweg.signals import EVALUATION_COLUMNS, LAYER_COLUMNS, MOVING_COLUMNS, STEP_COLUMNS

    text = (DOCS / "signals.md").read_text("utf-8")
    for table, columns in (
        ("steps", STEP_COLUMNS),
        ("evaluations", EVALUATION_COLUMNS),
        ("layers", LAYER_COLUMNS),
        ("moving", MOVING_COLUMNS),
    ):
        assert f"| `{table}` | {', '.join(f'`{column}`' for column in columns)} |" in text
