"""What an optimizer does to each parameter, as a table."""

from thalweg.optim.groups import names_of
from thalweg.optim.optimizer import RuleOptimizer

_WIDTHS = (32, 17, 10, 9, 8)


def describe(optimizer: RuleOptimizer) -> str:
    """Write each parameter's shape, role, rate and decay as a table of 80 columns.

    >>> print(describe(from_rule("sgd(lr=0.5)", nn.Linear(3, 2))))
    parameter                        shape             role              lr    decay
    weight                           2x3               head             0.5        0
    bias                             2                 bias             0.5        0
    """
    places = optimizer.layout()
    lines = [_line(("parameter", "shape", "role", "lr", "decay"))]
    for group, names in zip(optimizer.param_groups, names_of(optimizer.param_groups), strict=True):
        for name, param in zip(names, group["params"], strict=True):
            place = places[name]
            rate = f"{group['lr'] * place.lr:.3g}" if param.requires_grad else "frozen"
            decay = f"{group['weight_decay'] * place.weight_decay:.3g}" if "weight_decay" in group else "–"
            lines.append(_line((name, "x".join(map(str, param.shape)) or "number", place.role, rate, decay)))
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    shown = [
        cell if len(cell) <= width else f"…{cell[1 - width :]}" for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    left = f"{shown[0]:<{_WIDTHS[0]}} {shown[1]:<{_WIDTHS[1]}} {shown[2]:<{_WIDTHS[2]}}"
    return f"{left} {shown[3]:>{_WIDTHS[3]}} {shown[4]:>{_WIDTHS[4]}}"
