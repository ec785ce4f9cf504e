"""The house's ceilings and manners (DESIGN section 8), held over every file of the package."""

import ast
import configparser
import functools
import importlib
import inspect
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "thalweg"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
BASES = [name for name in NAMES if Path(name).name == "base.py"]
FOLDERS = sorted({str(Path(name).parent) for name in NAMES if name.endswith("__init__.py") and "/" in name})

MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_BASE, MOST_PARAMETERS = 300, 50, 120, 7

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
LONG_BASES = {"estimators/base.py": "no family of components: scikit-learn's conventions for its two estimators"}
"""Exceptions: "file" or "file:function" to the reason. An entry that is no longer needed fails, too."""
NO_VERB_FIRST: dict[str, str] = {}
SUPER = {
    "core/errors.py": "exceptions build their sentence and hand it to Python's",
    "cli/front.py": "click's commands are made to be overridden",
    "cli/verb.py": "click's commands are made to be overridden",
    "estimators/base.py": "scikit-learn's conventions ask for it: parameters, state",
    "estimators/regressor.py": "scikit-learn's conventions ask for it: tags",
    "__init__.py": "a module type hands attributes on to Python's",
}


@functools.cache
def tree(name):
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


@functools.cache
def code_lines(name):
    """Return the numbers of the lines that hold code: no blanks, comments or docstrings."""
    text = (PACKAGE / name).read_text(encoding="utf-8")
    quiet = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree(name)):
        for child in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                lines -= set(range(child.lineno, child.end_lineno + 1))
    return frozenset(lines)


def functions(name):
    return [n for n in ast.walk(tree(name)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def too_long(found, allowed, most):
    """Return what stands over the ceiling without being allowed to, and what is allowed to without need."""
    over = {place: count for place, count in found.items() if count > most}
    return {p: c for p, c in over.items() if p not in allowed}, sorted(set(allowed) - set(over))


def test_the_files_are_found():
    assert len(FILES) > 60 and "core/component.py" in NAMES and "rules/base.py" in BASES


def test_files_are_short():
    found = {name: len(code_lines(name)) for name in NAMES}
    assert too_long(found, LONG_FILES, MOST_LINES) == ({}, [])


def test_functions_are_short():
    found = {
        f"{name}:{node.name}": len([k for k in code_lines(name) if node.lineno <= k <= node.end_lineno])
        for name in NAMES
        for node in functions(name)
    }
    assert too_long(found, LONG_FUNCTIONS, MOST_LINES_OF_A_FUNCTION) == ({}, [])


def test_bases_are_short():
    found = {name: len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) for name in BASES}
    assert too_long(found, LONG_BASES, MOST_LINES_OF_A_BASE) == ({}, [])


def test_parameters_are_few():
    """More than seven need `# noqa: PLR0913` with a reason behind it."""
    many = []
    for name in NAMES:
        lines = (PACKAGE / name).read_text(encoding="utf-8").splitlines()
        for node in functions(name):
            a = node.args
            count = len([p for p in (*a.posonlyargs, *a.args, *a.kwonlyargs) if p.arg not in ("self", "cls")])
            head = " ".join(lines[node.lineno - 1 : node.body[0].lineno])
            if count > MOST_PARAMETERS and not re.search(r"# noqa: [A-Z0-9, ]*PLR0913.*?\w{3,} \w+", head):
                many.append(f"{name}:{node.name} ({count})")
    assert many == []


def test_no_file_of_odds_and_ends():
    assert [
        name for name in NAMES if re.search(r"(^|_|/)(utils?|helpers?|common|managers?|misc)(_|/|\.py$)", name)
    ] == []


def test_every_module_says_what_it_is():
    assert [name for name in NAMES if not (ast.get_docstring(tree(name)) or "").strip()] == []


def exported(folder):
    """Yield the classes and functions of ours that a folder hands out by its `__init__`."""
    module = importlib.import_module("thalweg." + folder.replace("/", "."))
    for name, value in vars(module).items():
        ours = getattr(value, "__module__", "").startswith("thalweg")
        if not name.startswith("_") and ours and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name, value


NO_VERBS = {
    "The",
    "A",
    "An",
    "This",
    "That",
    "These",
    "It",
    "One",
    "Each",
    "Every",
    "All",
    "Some",
    "Class",
    "Function",
    "Here",
    "For",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_folder_hands_out_is_documented(folder):
    wrong = []
    for name, value in exported(folder):
        doc = (value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
        first = inspect.cleandoc(doc).split("\n\n")[0].strip()
        word = first.split(" ")[0] if first else ""
        made_by_dataclass = doc.startswith(f"{name}(")
        if not re.fullmatch(r"[A-Z][a-z]+,?", word) or word in NO_VERBS or made_by_dataclass or not first.endswith("."):
            wrong.append(f"{folder.replace('/', '.')}.{name}")
    assert wrong == [place for place in NO_VERB_FIRST if place.rpartition(".")[0] == folder.replace("/", ".")]


def test_super_is_for_modules_only():
    """Nothing of ours is overridden and called again; torch's nn.Module is asked to by its constructor."""
    found = []
    for name in NAMES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ClassDef):
                calls = [c for c in ast.walk(node) if isinstance(c, ast.Call) and getattr(c.func, "id", "") == "super"]
                bases = [ast.unparse(base) for base in node.bases]
                if calls and not any(base.startswith("nn.") or base == "Module" for base in bases):
                    found.append(name)
    assert sorted(set(found)) == sorted(SUPER)


def test_what_is_to_be_done_has_a_number():
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d+)")
    found = [
        f"{name}:{k}"
        for name in NAMES
        for k, line in enumerate((PACKAGE / name).read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


def test_nothing_is_ever_unpickled():
    calls = re.compile(r"\b(pickle\.loads?|torch\.load|joblib\.load|allow_pickle=True|yaml\.load)\b")
    assert [name for name in NAMES if calls.search((PACKAGE / name).read_text(encoding="utf-8"))] == []


def test_imports_go_only_down(tmp_path):
    """The contract of pyproject.toml holds; a layer may be missing while its folder is still to come."""
    pytest.importorskip("importlinter")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    file = configparser.ConfigParser()
    file["importlinter"] = {"root_package": settings["root_package"]}
    for k, contract in enumerate(settings["contracts"]):
        layers = [
            re.sub(r"\w+", lambda m: m[0] if _is_there(m[0]) else f"({m[0]})", row)
            for row in contract.get("layers", [])
        ]
        rest = {key: value for key, value in contract.items() if key not in ("layers", "exhaustive")}
        rest = {key: "\n" + "\n".join(value) if isinstance(value, list) else str(value) for key, value in rest.items()}
        extra = {"layers": "\n" + "\n".join(layers)} if layers else {}
        file[f"importlinter:contract:{k}"] = {
            **rest,
            **extra,
            "exhaustive": str(contract.get("exhaustive", False)),
        }
    with (tmp_path / "contracts.ini").open("w") as out:
        file.write(out)
    code = "import sys, importlinter.cli as c; sys.exit(c.lint_imports(sys.argv[1], no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "contracts.ini"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    assert "1 kept, 0 broken" in done.stdout or f"{len(settings['contracts'])} kept, 0 broken" in done.stdout


def _is_there(layer):
    return (PACKAGE / layer).is_dir() or (PACKAGE / f"{layer}.py").is_file()


def test_each_family_has_its_base_and_its_catalogue():
    """A folder that lists members by `members(Base, vars())` has a base.py that says how to add one."""
    for name in NAMES:
        text = (PACKAGE / name).read_text(encoding="utf-8")
        if name.endswith("__init__.py") and re.search(r"= members\(", text):
            folder = (PACKAGE / name).parent
            while not (folder / "base.py").exists() and folder != PACKAGE:
                folder = folder.parent
            text = (folder / "base.py").read_text(encoding="utf-8")
            assert re.search(r"[Tt]o add (one|a )", text), f"{folder.name}/base.py does not say how to add a member"
