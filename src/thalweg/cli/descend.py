"""`thalweg descend`: rules going down a surface."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import INDENT, heading, page_width
from thalweg.cli.plot import picture_path, save_figure
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, law, say
from thalweg.core.columns import wrap

if TYPE_CHECKING:
    from thalweg.surface import Path, Surface

_EXAMPLES = (
    'thalweg descend rosenbrock --rule "adam(lr=0.1)" --out race.png',
    'thalweg descend "ravine(condition=100)" --rule "sgd(lr=0.01)" --steps 300',
    'thalweg descend "(1-x*y)**2 + 0.1*sin(3x)" --start -1,2',
)
_RULES = ("sgd(lr=0.02)", "sgd(lr=0.02, momentum=0.9)", "adam(lr=0.1)")
_GOAL = 1e-3


@click.command(cls=Verb, words="descend", examples=_EXAMPLES)
@click.argument("surface", required=False, metavar="SURFACE|FORMULA")
@option("--rule", "rules", metavar="RULE", multiple=True, section="choice", help="descend_rule")
@option("--steps", metavar="N", type=int, default=200, section="choice", help="descend_steps")
@option("--start", metavar="X,Y", section="choice", help="descend_start")
@option("--schedule", metavar="NAME", section="choice")
@option("--noise", metavar="S", type=float, default=0.0, section="choice", help="descend_noise")
@option("--seed", metavar="N", type=int, default=0, section="choice")
@option("--out", metavar="FILE", section="result", help="picture_file")
@common
def command(surface: str | None, **asked: Any) -> int:
    if surface is None:
        raise UsageError(
            "`thalweg descend` needs a surface: a name such as rosenbrock, or a formula such as '(1-x*y)**2'."
        )
    picture = picture_path(asked["out"]) if asked["out"] else None
    quiet = asked["quiet"] or asked["json_to"] == "-"
    with waiting(say("cli.starting"), quiet=quiet):
        from thalweg.surface import open_surface, race

        ground = open_surface(surface)
        given = {name: asked[name] for name in ("steps", "schedule", "seed", "noise")}
        paths = race(ground, asked["rules"] or _RULES, read_point(asked["start"]), **given)
    if picture:
        _draw(paths, picture, title=_title(surface, paths, noise=asked["noise"]))
        note("  " + say("cli.plot_written", path=picture), quiet=quiet)
    if asked["json_to"]:
        write_record("descend", _record(ground, paths, asked), to=asked["json_to"])
    if asked["json_to"] != "-":
        answer(_short(paths) if asked["quiet"] else _page(surface, paths, noise=asked["noise"]))
    return ending.DONE


def read_point(text: str | None) -> tuple[float, float] | None:
    """Return the point that a text such as "-1,2" gives; None for none. Raises `UsageError` for any other text."""
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.strip("() ").split(","))
    except ValueError:
        raise law("--start", "must be two numbers with a comma between", text, "For example --start -1,2.") from None
    return x, y


def _draw(paths: "Mapping[str, Path]", picture: Any, *, title: str) -> None:
    from thalweg.report.surface_figure import draw_race

    save_figure(draw_race(paths, title=title), picture)


def _record(surface: "Surface", paths: "Mapping[str, Path]", asked: Mapping[str, Any]) -> dict[str, Any]:
    from thalweg.core import to_plain
    from thalweg.surface import lowest_of

    first = next(iter(paths.values()))
    return {
        "surface": to_plain(surface), "start": first.points[0].tolist(), "steps": asked["steps"],
        "schedule": asked["schedule"], "noise": asked["noise"], "seed": asked["seed"],
        "floor": lowest_of(paths.values()), "paths": {name: path.to_plain() for name, path in paths.items()},
    }  # fmt: skip


def _short(paths: "Mapping[str, Path]") -> str:
    return "\n".join(f"{name}\t{path.loss:.6g}" for name, path in paths.items())


def _title(surface: str, paths: "Mapping[str, Path]", *, noise: float) -> str:
    first = next(iter(paths.values()))
    x, y = (f"{part:.4g}" for part in first.points[0].tolist())
    said = {"surface": surface, "steps": len(first.rates), "x": x, "y": y}
    return say("descend.title_noise", noise=f"{noise:g}", **said) if noise else say("descend.title", **said)


def _page(surface: str, paths: "Mapping[str, Path]", *, noise: float) -> str:
    from thalweg.surface import lowest_of

    ground, floor = next(iter(paths.values())).surface, lowest_of(paths.values())
    head = [say(f"descend.{name}") for name in ("rule", "end", "loss", "steps", "outcome")]
    rows = [_row(name, path, floor) for name, path in paths.items()]
    which = say("descend.floor_met" if ground.lowest() is None else "descend.floor_known")
    says = [say("descend.steps_meaning", floor=f"{floor:.4g}", which=which), *_theory(ground)]
    title = "\n".join(INDENT + heading(line) for line in wrap(_title(surface, paths, noise=noise), page_width() - 4))
    return "\n\n".join(["\n" + title, table(head, rows, right=(2, 3), gives_way=0), *map(_indented, says)]) + "\n"


def _row(name: str, path: "Path", floor: float) -> list[str]:
    reached = path.steps_to(_GOAL, floor=floor)
    x, y = (f"{part:.3g}" for part in path.end)
    outcome = say(f"cli.outcome_{path.outcome.value}")
    return [name, f"({x}, {y})", number(path.loss), "-" if reached is None else str(reached), outcome]


def _theory(surface: "Surface") -> Sequence[str]:
    """Return the sentence of what theory says, where the surface is a quadratic with a minimum."""
    from thalweg.surface import optimum

    try:
        best = optimum(surface)
    except UsageError:
        return []
    plain, ball = best.gradient_descent, best.heavy_ball
    return [
        say(
            "descend.theory", condition=f"{best.condition:.4g}", plain=f"sgd(lr={plain.lr:.3g})",
            plain_rate=f"{plain.rate:.3g}", ball=f"sgd(lr={ball.lr:.3g}, momentum={ball.momentum:.3g})",
            ball_rate=f"{ball.rate:.3g}",
        )
    ]  # fmt: skip


def _indented(text: str) -> str:
    return "\n".join(INDENT + line for line in wrap(text, page_width() - 4))
