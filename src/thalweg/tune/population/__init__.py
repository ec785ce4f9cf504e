"""Populations: members that differ in numbers alone, each the single run of its own recipe."""

from thalweg.tune.population.population import Ending as Ending
from thalweg.tune.population.population import Population as Population
from thalweg.tune.population.population import Tick as Tick
from thalweg.tune.population.population import unfit as unfit
from thalweg.tune.population.shape import groups as groups
