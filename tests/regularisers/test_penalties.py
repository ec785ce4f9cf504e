"""Penalties, against weight decay, ridge, lasso and elastic net, and several at once."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet as SkElasticNet
from sklearn.linear_model import Lasso, Ridge
from torch import nn

from thalweg.core import UsageError
from thalweg.model import MSE
from thalweg.regularisers import (
    L1,
    L2,
    PENALTIES,
    ElasticNet,
    Frobenius,
    add_gradients,
    apply_prox,
    check_together,
    penalty_value,
)
from thalweg.rules import SGD

M, D = 40, 8
_draw = torch.Generator().manual_seed(0)
X = torch.randn(M, D, generator=_draw, dtype=torch.float64)
TRUE = torch.tensor([2.0, -3.0, 0, 0, 1.5, 0, 0, 0], dtype=torch.float64)
Y = X @ TRUE + 0.3 * torch.randn(M, generator=_draw, dtype=torch.float64)


def descend(penalty, steps=3000):
    """Minimise mean((y - Xw)²) + penalty by plain (proximal) gradient descent."""
    w = torch.zeros(D, dtype=torch.float64)
    lr = 0.4 / float(torch.linalg.eigvalsh(X.T @ X / M)[-1])
    for _ in range(steps):
        grads = add_gradients([penalty], {"w": 2 * X.T @ (X @ w - Y) / M}, {"w": w}, num_examples=M)
        w = apply_prox([penalty], {"w": w - lr * grads["w"]}, length=lr, num_examples=M)["w"]
    return w


def close(found, expected, tolerance=1e-6):
    torch.testing.assert_close(found, torch.from_numpy(np.asarray(expected)), rtol=0, atol=tolerance)


# MSE is mean((y - Xw)²), so that with the notes' scaling scikit-learn's alpha is lambda / 2 for Ridge (a sum of squares
# and alpha * sum(w²)) and lambda / (2 m) for Lasso and ElasticNet (half a mean of squares).


@pytest.mark.parametrize("step", ["gradient", "proximal"])
def test_l2_is_ridge_regression(step):
    ridge = Ridge(alpha=6.0 / 2, fit_intercept=False).fit(X.numpy(), Y.numpy())
    close(descend(L2(strength=6.0, step=step)), ridge.coef_)
    outputs = X @ torch.from_numpy(ridge.coef_)
    total = MSE().total(outputs, Y) + L2(strength=6.0).value(torch.from_numpy(ridge.coef_), num_examples=M)
    ours = (((Y - outputs) ** 2).sum() + 3.0 * (torch.from_numpy(ridge.coef_) ** 2).sum()) / M
    torch.testing.assert_close(total, ours)


def test_l1_stepped_by_prox_is_the_lasso_zeros_included():
    lasso = Lasso(alpha=20.0 / (2 * M), fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X.numpy(), Y.numpy())
    found = descend(L1(strength=20.0, step="proximal"))
    close(found, lasso.coef_)
    assert torch.equal(found == 0, torch.from_numpy(lasso.coef_ == 0)) and 3 <= int((found == 0).sum()) <= 6


def test_l1_stepped_by_gradient_is_nearly_sparse():
    found, lr = descend(L1(strength=20.0)), 0.4 / float(torch.linalg.eigvalsh(X.T @ X / M)[-1])
    exact = descend(L1(strength=20.0, step="proximal"))
    assert ((found - exact).abs() <= 3 * lr * 20 / M).all()
    assert not (found == 0).any()


def test_elastic_net_is_scikit_learns():
    theirs = SkElasticNet(alpha=30.0 / (2 * M), l1_ratio=0.4, fit_intercept=False, tol=1e-12, max_iter=100_000)
    theirs.fit(X.numpy(), Y.numpy())
    found = descend(ElasticNet(strength=30.0, l1_ratio=0.4, step="proximal"))
    close(found, theirs.coef_)
    assert torch.equal(found == 0, torch.from_numpy(theirs.coef_ == 0)) and (found == 0).any()


def test_the_ends_of_elastic_net_are_l1_and_l2():
    for ratio, other in ((1.0, L1(strength=0.3)), (0.0, L2(strength=0.3))):
        mixed = ElasticNet(strength=0.3, l1_ratio=ratio)
        torch.testing.assert_close(mixed.value(TRUE, num_examples=2), other.value(TRUE, num_examples=2))
        torch.testing.assert_close(mixed.gradient(TRUE, num_examples=2), other.gradient(TRUE, num_examples=2))
        moved = mixed.prox(TRUE, length=0.5, num_examples=2)
        torch.testing.assert_close(moved, other.prox(TRUE, length=0.5, num_examples=2))


@pytest.mark.parametrize("kind", [L2, Frobenius])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_l2_is_coupled_weight_decay_of_lambda_over_m(kind, momentum):
    grads = [{"w": torch.randn(3, 2, generator=_draw, dtype=torch.float64)} for _ in range(6)]
    penalty, decayed = kind(strength=4.0), SGD(lr=0.1, momentum=momentum, weight_decay=4.0 / 50)
    plain = SGD(lr=0.1, momentum=momentum)
    ours = theirs = {"w": torch.ones(3, 2, dtype=torch.float64)}
    parameter = nn.Parameter(ours["w"].clone())
    live = torch.optim.SGD([parameter], lr=0.1, momentum=momentum, weight_decay=4.0 / 50)
    state, memory = plain.init(ours), decayed.init(theirs)
    for step, grad in enumerate(grads):
        added = add_gradients([penalty], grad, ours, num_examples=50)
        change, state = plain.update(added, state, ours, plain.hyper(), step)
        ours = {"w": ours["w"] + change["w"]}
        change, memory = decayed.update(grad, memory, theirs, decayed.hyper(), step)
        theirs = {"w": theirs["w"] + change["w"]}
        parameter.grad = grad["w"].clone()
        live.step()
    torch.testing.assert_close(ours["w"], theirs["w"], rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(ours["w"], parameter.detach(), rtol=1e-13, atol=1e-14)


def test_a_step_of_l2_alone_multiplies_by_the_notes_factor():
    w, lr, strength, m = TRUE.clone(), 0.1, 3.0, 20
    stepped = w - lr * L2(strength=strength).gradient(w, num_examples=m)
    torch.testing.assert_close(stepped, (1 - lr * strength / m) * w)


def test_frobenius_is_torchs_norm_over_layers():
    params = {"1.weight": X[:4], "2.weight": X[4:, :3]}
    value = penalty_value([Frobenius(strength=5.0)], params, num_examples=10)
    expected = 5.0 / 20 * sum(torch.linalg.matrix_norm(w) ** 2 for w in params.values())
    torch.testing.assert_close(value, expected)


# Several at once, over named parameters.

PARAMS = {"weight": X[:3, :4], "bias": X[0, :3], "head": X[4:6, :3]}
GRADS = {name: torch.ones_like(w) for name, w in PARAMS.items()}
SHARES = {"weight": 1.0, "head": 0.5}


def test_gradients_are_those_of_the_value_and_shares_leave_parameters_out():
    penalties = [L2(strength=2.0), L1(strength=0.3)]
    leaves = {name: w.clone().requires_grad_() for name, w in PARAMS.items()}
    value = penalty_value(penalties, leaves, num_examples=7, shares=SHARES)
    expected = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    found = add_gradients(penalties, GRADS, PARAMS, num_examples=7, shares=SHARES)
    assert found["bias"] is GRADS["bias"] and expected[1] is None
    for name, grad in zip(("weight", "head"), (expected[0], expected[2]), strict=True):
        torch.testing.assert_close(found[name] - 1, grad)
    assert all(torch.equal(grad, torch.ones_like(grad)) for grad in GRADS.values())


def test_a_flat_buffer_takes_its_shares_as_a_tensor():
    flat = {"flat": torch.cat([w.reshape(-1) for w in PARAMS.values()])}
    shares = torch.cat([torch.full((w.numel(),), SHARES.get(name, 0.0)) for name, w in PARAMS.items()]).double()
    penalties = [ElasticNet(strength=2.0)]
    one = add_gradients(
        penalties, {"flat": torch.ones(len(shares)).double()}, flat, num_examples=7, shares={"flat": shares}
    )
    many = add_gradients(penalties, GRADS, PARAMS, num_examples=7, shares=SHARES)
    torch.testing.assert_close(one["flat"], torch.cat([grad.reshape(-1) for grad in many.values()]))
    value = penalty_value(penalties, flat, num_examples=7, shares={"flat": shares})
    torch.testing.assert_close(value, penalty_value(penalties, PARAMS, num_examples=7, shares=SHARES))


def test_each_penalty_is_stepped_one_way_only():
    for name, kind in PENALTIES.items():
        by_gradient, by_prox = kind(step="gradient"), kind(step="proximal")
        assert add_gradients([by_prox], GRADS, PARAMS, num_examples=3) == GRADS, name
        assert apply_prox([by_gradient], PARAMS, length=0.1, num_examples=3) == PARAMS, name
        moved = apply_prox([by_prox], PARAMS, length=0.1, num_examples=3, shares=SHARES)
        assert moved["bias"] is PARAMS["bias"]
        assert torch.equal(moved["weight"], by_prox.prox(PARAMS["weight"], length=0.1, num_examples=3))


def test_strengths_by_name_take_the_place_of_the_fields():
    strengths = {"l2": torch.tensor(3.0, dtype=torch.float64)}
    for step in ("gradient", "proximal"):
        ours, other = L2(step=step), L2(strength=3.0, step=step)
        found = add_gradients([ours], GRADS, PARAMS, num_examples=7, strengths=strengths)
        expected = add_gradients([other], GRADS, PARAMS, num_examples=7)
        assert all(torch.equal(found[name], expected[name]) for name in PARAMS)
        found = apply_prox([ours], PARAMS, length=0.1, num_examples=7, strengths=strengths)
        expected = apply_prox([other], PARAMS, length=0.1, num_examples=7)
        assert all(torch.equal(found[name], expected[name]) for name in PARAMS)
    assert penalty_value([L2()], PARAMS, num_examples=7, strengths=strengths) == penalty_value(
        [L2(strength=3.0)], PARAMS, num_examples=7
    )


def test_no_penalties_add_nothing():
    assert penalty_value([], PARAMS, num_examples=3) == 0
    assert add_gradients([], GRADS, PARAMS, num_examples=3) == GRADS


@pytest.mark.parametrize(
    ("penalties", "weight_decay", "says"),
    [
        (
            [L2(), Frobenius()],
            0.0,
            "`penalties=...` must not pull the same way twice, got ['l2', 'frobenius']. Keep one",
        ),
        ([L1(), L1()], 0.0, "must not pull the same way twice, got ['l1', 'l1']"),
        ([L1(), ElasticNet()], 0.0, "must not pull the same way twice, got ['l1', 'elastic-net']"),
        ([L2()], 0.1, "must leave squares to weight_decay=0.1, got ['l2']. Set the rule's weight_decay to 0, or leave"),
        ([ElasticNet()], 1e-4, "must leave squares to weight_decay=0.0001, got ['elastic-net']."),
    ],
)
def test_what_pulls_the_same_way_is_refused(penalties, weight_decay, says):
    with pytest.raises(UsageError) as error:
        check_together(penalties, weight_decay=weight_decay)
    assert says in str(error.value)


def test_what_goes_together_is_let_through():
    check_together([])
    check_together([], weight_decay=0.1)
    check_together([L1(), L2()])
    check_together([L1()], weight_decay=0.1)
