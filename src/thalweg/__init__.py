"""thalweg: train neural networks, find out why a run fails, show that the remedy helps."""

__version__ = "0.1.0"
