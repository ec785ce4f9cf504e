"""The codes of findings, by category."""

CATEGORIES = {
    "rate": "lr-too-high lr-too-low schedule-misstepped stopped-too-early",
    "optimizer": "optimizer-settings batch-size",
    "propagation": "vanishing-gradients exploding-gradients dead-relu saturated-units bad-init-scale symmetric-init "
    "linear-network",
    "loss": "wrong-loss double-softmax double-sigmoid logits-into-probability-loss softmax-wrong-axis output-range "
    "loss-broadcast loss-scale loss-sign loss-clamped",
    "loop": "missing-zero-grad parameters-not-optimized frozen-parameters unregistered-modules detached-graph "
    "train-eval-mode batchnorm-statistics wrong-metric resume-mismatch replica-desync",
    "data": "unscaled-inputs unscaled-targets shrunken-inputs train-test-mismatch wrong-labels label-noise "
    "class-imbalance unshuffled-data repeated-augmentation harmful-augmentation data-leak future-leak batch-mixing "
    "padding-leak bad-columns",
    "generalization": "overfitting underfitting over-regularized saddle-point",
    "numerics": "non-finite",
}
CATEGORY = {code: category for category, codes in CATEGORIES.items() for code in codes.split()}
