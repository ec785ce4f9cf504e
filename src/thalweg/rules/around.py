"""Rules around rules: clipping, noise, averages, SAM, Lookahead."""

from thalweg.rules.base import Rule


class Around(Rule):
    """Hold another rule in the field `rule`; the rate is that rule's, its numbers stand beside one's own."""

    __slots__ = ()
    rule: Rule

    @property
    def lr(self) -> float:  # type: ignore[override]  # a number to read, here as there
        """Length of a step of the rule inside."""
        return self.rule.lr
