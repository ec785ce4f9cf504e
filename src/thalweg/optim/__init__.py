"""Rules in plain PyTorch loops, and what they must know of a network: each parameter's role."""

from thalweg.optim.roles import depth_of as depth_of
from thalweg.optim.roles import layout as layout
from thalweg.optim.roles import matching as matching
from thalweg.optim.roles import roles as roles
