"""A verb and its options: their words come from the catalogue, in the language asked for."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from thalweg.cli.pages import INDENT, columns, heading, page_width
from thalweg.core import LANGUAGES, UnknownName, say, set_language
from thalweg.core.columns import wrap

SECTIONS = ("data", "network", "training", "machine", "choice", "result", "output")
_LEFT = 22  # columns for the names of options
F = TypeVar("F", bound=Callable[..., Any])


class Name(click.ParamType):
    """Be one of a few names; a wrong one is answered with the nearest."""

    name = "name"

    def __init__(self, what: str, known: Sequence[str]) -> None:
        self.what, self.known = what, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.known:
            raise UnknownName(self.what, value, self.known)
        return value


class Option(click.Option):
    """Be an option that stands in a section of its help page."""

    def __init__(self, *names: Any, section: str = "output", **rest: Any) -> None:
        super().__init__(*names, **rest)
        self.section = section

    def row(self) -> tuple[str, str]:
        shown = ", ".join([*self.opts, *self.secondary_opts])
        return f"{shown} {self.metavar}" if self.metavar else shown, say(f"cli.help_{self.help or self.name}")


class Verb(click.Command):
    """Be a verb: its summary is `cli.verb_<words>`, its arguments are `cli.help_<argument>`."""

    def __init__(self, *args: Any, words: str = "", examples: Sequence[str] = (), **rest: Any) -> None:
        super().__init__(*args, **{**rest, "add_help_option": False})
        self.words, self.examples = words or str(self.name), examples
        self.params.append(
            Option(
                ["--help"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_help,
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        hear_language(args)
        return super().parse_args(ctx, _settle_json(args))

    def get_short_help_str(self, limit: int = 80) -> str:
        return say(f"cli.verb_{self.words}").split("\n")[0]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        arguments = [param for param in self.params if isinstance(param, click.Argument)]
        usage = " ".join([ctx.command_path, *(_shown(argument) for argument in arguments)])
        blocks = [
            f"{INDENT}{heading(usage)}" + click.style(f" [{say('cli.options')}]", dim=True),
            "\n\n".join(_paragraph(part) for part in say(f"cli.verb_{self.words}").split("\n")),
        ]
        blocks += [block for section in SECTIONS if (block := self._section(section, arguments))]
        if self.examples:
            shown = "\n".join(f"{INDENT}{INDENT}{line}" for line in self.examples)
            blocks.append(f"{INDENT}{heading(say('cli.examples'))}\n{shown}")
        formatter.write("\n" + "\n\n".join(blocks) + "\n")

    def _section(self, section: str, arguments: Sequence[click.Argument]) -> str:
        first = next((param.section for param in self.params if isinstance(param, Option)), "output")
        rows = [(_shown(a), say(f"cli.help_{a.name}")) for a in arguments] if section == first else []
        rows += [p.row() for p in self.params if isinstance(p, Option) and p.section == section]
        body = columns(rows, left=_LEFT, indent=INDENT * 2)
        return f"{INDENT}{heading(say(f'cli.section_{section}'))}\n{body}" if rows else ""


def option(*names: str, section: str = "output", **rest: Any) -> Callable[[F], F]:
    """Declare an option; its words are `cli.help_<name>`, or `cli.help_<help>`."""
    return click.option(*names, cls=Option, section=section, **rest)


def common(function: F) -> F:
    """Give a verb what every verb has: --json, --quiet, --lang."""
    for decorate in (
        option("--lang", metavar="en|zh", type=Name("language", LANGUAGES), expose_value=False),
        option("--quiet", "-q", is_flag=True),
        option("--json", "json_to", metavar="[PATH]", help="json"),
    ):
        function = decorate(function)
    return function


def hear_language(args: Sequence[str]) -> None:
    """Set the language before anything is said, wherever --lang stands; behind `--` the words are a script's own."""
    args = args[: list(args).index("--")] if "--" in args else args
    for place, arg in enumerate(args):
        if arg == "--lang" and place + 1 < len(args):
            set_language(args[place + 1])
        elif arg.startswith("--lang="):
            set_language(arg.removeprefix("--lang="))


def _settle_json(args: list[str]) -> list[str]:
    """Let `--json` stand alone: it takes the next word only if that is a file ending in .json, or "-"."""
    settled: list[str] = []
    for place, arg in enumerate(args):
        following = args[place + 1] if place + 1 < len(args) else ""
        alone = arg == "--json" and following != "-" and not following.endswith(".json")
        settled.append("--json=-" if alone else arg)
    return settled


def _show_help(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _shown(argument: click.Argument) -> str:
    text = argument.metavar or str(argument.name).upper()
    return text if argument.required else f"[{text}]"


def _paragraph(text: str) -> str:
    return "\n".join(f"{INDENT}{line}" for line in wrap(text, page_width() - 4))
