"""The door: which verbs there are, and what happens around each."""

import importlib
import os
import sys
from typing import Any

import click

import thalweg
from thalweg.cli import ending
from thalweg.cli.pages import INDENT, columns, heading, page_width
from thalweg.cli.verb import Name, Option, hear_language
from thalweg.core import LANGUAGES, UnknownName, say
from thalweg.core.columns import wrap

VERBS = {  # verb: (module, attribute, block of the help page)
    "train": ("thalweg.cli.train", "command", "make"),
    "diagnose": ("thalweg.cli.diagnose", "command", "make"),
    "rates": ("thalweg.cli.rates", "command", "make"),
    "predict": ("thalweg.cli.predict", "command", "make"),
    "runs": ("thalweg.cli.runs", "command", "look"),
    "report": ("thalweg.cli.report", "command", "look"),
    "plot": ("thalweg.cli.plot", "command", "look"),
    "list": ("thalweg.cli.listing", "command", "learn"),
    "survey": ("thalweg.cli.survey", "command", "learn"),
    "schedule": ("thalweg.cli.schedule", "command", "learn"),
    "descend": ("thalweg.cli.descend", "command", "learn"),
    "env": ("thalweg.cli.env", "command", "machine"),
}


class Front(click.Group):
    """Be a group of verbs, each imported when it is called: asking for help costs no more than the asking."""

    def __init__(self, name: str, verbs: dict[str, tuple[str, str, str]], *, examples: tuple[str, ...]) -> None:
        super().__init__(name, add_help_option=False, invoke_without_command=True, callback=_help_if_alone)
        self.verbs, self.examples = verbs, examples
        self.params = [
            Option(["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help),
            Option(["--lang"], metavar="en|zh", type=Name("language", LANGUAGES), expose_value=False),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        hear_language(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        module, attribute, _ = self.verbs[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.verbs and not args[0].startswith("-"):
            raise UnknownName("verb", args[0], self.verbs)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        prefix = "" if self.name == "thalweg" else f"{self.name}_"
        about = wrap(say(f"cli.about_{self.name}"), page_width() - 4)
        title = heading(ctx.command_path) + (f" {click.style(thalweg.__version__, dim=True)}" if not prefix else "")
        blocks = [INDENT + title + "\n" + "\n".join(INDENT + line for line in about)]
        for block in dict.fromkeys(place for _, _, place in self.verbs.values()):
            rows = [
                (verb, say(f"cli.verb_{prefix}{verb}").split("\n")[0])
                for verb, at in self.verbs.items()
                if at[2] == block
            ]
            blocks.append(f"{INDENT}{heading(say(f'cli.block_{block}'))}\n{columns(rows, left=9, indent=INDENT * 2)}")
        shown = "\n".join(f"{INDENT}{INDENT}{line}" for line in self.examples)
        blocks.append(f"{INDENT}{heading(say('cli.examples'))}\n{shown}")
        more = wrap(say("cli.more", command=ctx.command_path), page_width() - 4)
        blocks.append("\n".join(INDENT + click.style(line, dim=True) for line in more))
        formatter.write("\n" + "\n\n".join(blocks) + "\n")

    def main(self, args: Any = None, prog_name: str | None = None, **rest: Any) -> Any:  # type: ignore[override]
        """Run a command and leave with its exit code; whatever goes wrong ends in one sentence."""
        rest["standalone_mode"] = False
        rest.setdefault("color", False if os.environ.get("NO_COLOR") else None)
        sys.exit(ending.code_of(lambda: super(Front, self).main(args, prog_name or self.name, **rest)))


def _show_help(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _show_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"thalweg {thalweg.__version__}")
        ctx.exit()


@click.pass_context
def _help_if_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), color=ctx.color)


front = Front(
    "thalweg",
    VERBS,
    examples=("thalweg train digits", "thalweg train prices.csv --target price", "thalweg runs ls"),
)
front.params.append(Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version))


def main() -> None:
    """Be the program `thalweg`."""
    front.main()
