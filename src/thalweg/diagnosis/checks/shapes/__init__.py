"""What the curve alone says, where no experiment can be made."""

from thalweg.diagnosis.checks.shapes.curve import CurveAlone as CurveAlone
