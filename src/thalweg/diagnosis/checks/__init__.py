"""What each check of a watched script looks for, family by family."""

from thalweg.core import members
from thalweg.diagnosis.checks import data as data
from thalweg.diagnosis.checks import dependence as dependence
from thalweg.diagnosis.checks import loop as loop
from thalweg.diagnosis.checks import loss as loss
from thalweg.diagnosis.checks import shapes as shapes
from thalweg.diagnosis.checks import signals as signals
from thalweg.diagnosis.checks import training as training
from thalweg.diagnosis.checks.base import CaseCheck as CaseCheck

CHECKS = {
    **members(CaseCheck, vars(dependence)),
    **members(CaseCheck, vars(data)),
    **members(CaseCheck, vars(loop)),
    **members(CaseCheck, vars(loss)),
    **members(CaseCheck, vars(signals)),
    **members(CaseCheck, vars(training)),
    **members(CaseCheck, vars(shapes)),
}
