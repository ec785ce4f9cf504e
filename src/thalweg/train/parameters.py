"""A row for each parameter of a run: what it is, whether it trains, by what share of the rate and of the decay."""

import dataclasses

from thalweg.optim import roles
from thalweg.rules import Fitted, Role
from thalweg.rules.split import ByRole
from thalweg.train.job import Job


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ParameterRow:
    """Hold what is done to one parameter."""

    name: str
    shape: tuple[int, ...]
    role: Role
    trains: bool
    lr: float
    """Its share of the rate: 0 for one that is frozen."""
    weight_decay: float
    """Its share of the rule's weight decay."""
    chosen: bool | None
    """Whether a rule that treats roles apart (Muon, SOAP, LARS) treats it as one of its own; None for other rules."""


def parameter_table(job: Job) -> list[ParameterRow]:
    """Return a row for each parameter of a job's network, in the order of the network."""
    module, fitted = job.state.module, job.state.fitted
    found = []
    for name, role in roles(module, job.data.preparation.num_outputs).items():
        place = job.layout.get(name)
        rate, decay = (place.lr, place.weight_decay) if place else (0.0, 0.0)
        row = ParameterRow(
            name=name, shape=tuple(module.get_parameter(name).shape), role=role, trains=place is not None,
            lr=float(rate), weight_decay=float(decay), chosen=_is_chosen(fitted, name) if place else None,
        )  # fmt: skip
        found.append(row)
    return found


def _is_chosen(fitted: Fitted, name: str) -> bool | None:
    by_role = next((link for link in fitted.chain if isinstance(link, ByRole)), None)
    return None if by_role is None or by_role.names is None else name in by_role.names
