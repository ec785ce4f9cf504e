"""scikit-learn's own checks, all of them, with nothing excused."""

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import thalweg as tw


@parametrize_with_checks([tw.Classifier(), tw.Regressor()])
def test_scikit_learns_check(estimator, check):
    check(estimator)


@pytest.mark.long
@pytest.mark.parametrize("estimator", [tw.Classifier(), tw.Regressor()], ids=["classifier", "regressor"])
def test_check_estimator_as_users_call_it(estimator):
    failed = [
        row["check_name"] for row in check_estimator(estimator, on_fail=None, on_skip=None) if row["status"] == "failed"
    ]
    assert not failed
