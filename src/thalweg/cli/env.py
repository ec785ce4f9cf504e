"""`thalweg env`."""

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, write_record
from thalweg.cli.verb import Verb, common


@click.command(cls=Verb, words="env", examples=("thalweg env", "thalweg env --json"))
@common
def command(json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.environment import describe_environment

    facts = describe_environment()
    if json_to:
        write_record("environment", dict(facts), to=json_to)
    if json_to != "-":
        width = max(map(len, facts))
        answer("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))
    return ending.DONE
