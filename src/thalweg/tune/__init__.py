"""Many networks at once: populations trained as one program, the ground for searches over hyperparameters."""

from thalweg.tune.population import Population as Population
