"""Codes for missing values among readings, against columns with long tails."""

import torch


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


def coded(x, share=0.1):
    missing = torch.rand(len(x), generator=torch.Generator().manual_seed(4)) < share
    other = x.clone()
    other[missing, 0] = -9999.0
    return other


def test_a_code_takes_up_the_scale(train, found, rows, target):
    case = train(adam, x=standardised(coded(rows(256))), y=target(rows(256)))
    finding = found(case, "bad-columns")[0]
    assert finding.cause.values["column"] == 0 and abs(float(finding.cause.values["percent"]) - 10) < 4
    assert finding.category and finding.where.file.endswith("conftest.py")  # where rows are fed


def test_filled_in_beforehand_is_healthy(train, alarms, rows, target):
    x = rows(256)
    x[coded(x)[:, 0] < -9000, 0] = 0.0
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.03), x=standardised(x), y=target(x))) == []


def test_long_tails_are_no_codes(train, found, rows, target):
    x = rows(256)
    x[:, 3] = x[:, 3] ** 5
    assert found(train(lambda p: torch.optim.SGD(p, lr=1e-6), x=standardised(x), y=target(x)), "bad-columns") == []


def test_a_code_in_a_column_that_tells_nothing(train, refuted, rows):
    case = train(adam, x=standardised(coded(rows(256))), y=rows(256, 1, 7))
    assert refuted(case, "bad-columns")
