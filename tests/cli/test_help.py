import resource
import subprocess
import sys
import tomllib
from importlib import resources
from typing import Any

import pytest

import thalweg
from thalweg.cli.front import VERBS
from thalweg.cli.pages import width_of, wrap
from thalweg.cli.runs import VERBS as RUNS_VERBS
from thalweg.cli.schedule import command as schedule

LANGUAGES = ("en", "zh")
INNER = [*(("runs", verb) for verb in RUNS_VERBS), *(("schedule", verb) for verb in schedule.verbs)]


@pytest.mark.parametrize("args", [["--help"], ["--version"], [], ["train", "--help"], ["runs", "--help"]])
def test_help_does_not_import_torch(args: list[str]) -> None:
    code = (
        "import sys\nfrom thalweg.cli import front\n"
        f"try: front.main({args!r})\nexcept SystemExit as leaving: assert leaving.code == 0\n"
        "heavy = {'torch', 'numpy', 'polars', 'matplotlib', 'sklearn', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_is_quick() -> None:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for _ in range(3):  # time of the processor, since others may be using it too
        before = spent()
        subprocess.run([sys.executable, "-m", "thalweg", "--help"], check=True, capture_output=True)
        times.append(spent() - before)
    assert min(times) < 0.2


def test_import_of_the_front_page_is_light() -> None:
    code = "import sys, thalweg\nassert 'torch' not in sys.modules\nassert 'train' in dir(thalweg)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_version(call: Any) -> None:
    assert call("--version").output == f"thalweg {thalweg.__version__}\n"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("verb", [(), *((v,) for v in VERBS), *INNER])
def test_every_page_fits_80_columns(call: Any, verb: tuple[str, ...], lang: str) -> None:
    result = call(*verb, "--help", "--lang", lang)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    too_long = [line for line in lines if width_of(line) > 80 and not line.startswith("    thalweg ")]
    assert not too_long
    assert len(lines) > 5


@pytest.mark.parametrize("verb", [*((v,) for v in VERBS if v not in ("runs", "schedule")), *INNER])
def test_every_verb_has_the_common_options(call: Any, verb: tuple[str, ...]) -> None:
    page = call(*verb, "--help").output
    assert all(option in page for option in ("--json", "--quiet", "--lang", "--help"))


def test_words_have_the_same_keys_in_both_languages() -> None:
    english, chinese = (
        tomllib.loads(resources.files("thalweg.core.words").joinpath(lang, "cli.toml").read_text(encoding="utf-8"))
        for lang in LANGUAGES
    )
    assert list(english) == list(chinese)


@pytest.mark.parametrize(
    "args, meant",
    [(("trian",), "train"), (("runs", "shwo"), "show"), (("runs", "ls", "--sort", "agee"), "age")],
)
def test_unknown_names_are_answered_with_the_nearest(fails: Any, args: tuple[str, ...], meant: str) -> None:
    assert f"did you mean '{meant}'?" in fails(*args)


def test_unknown_option_is_answered_with_the_nearest(fails: Any) -> None:
    assert "--epochs" in fails("train", "iris", "--epoch", "3")


def test_wrap_breaks_chinese_between_characters_and_keeps_punctuation() -> None:
    lines = wrap("网络训练，再说一次。", 8)
    assert all(width_of(line) <= 10 for line in lines)
    assert not any(line[0] in "，。" for line in lines)
