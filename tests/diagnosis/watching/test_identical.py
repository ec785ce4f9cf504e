"""A script comes to the same results, to the last bit, with and without a watch."""

import contextlib
import copy
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from thalweg.diagnosis.watching import Watch

SCRIPTS = {}


def script(function):
    SCRIPTS[function.__name__] = function
    return function


def data(rows=16, width=6):
    x = torch.randn(rows, width)
    return x, torch.sin(x.sum(1, keepdim=True))


def net(width=6, out=1):
    return nn.Sequential(nn.Linear(width, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, out))


def train(model, optimizer, x, y, steps=7, loss_of=F.mse_loss):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


@script
def plain():
    x, y = data()
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return train(model, optimizer, x, y), model, optimizer


@script
def in_place_activations():
    x, y = data()
    model = nn.Sequential(nn.Linear(6, 12), nn.Dropout(0.3, inplace=True), nn.ReLU(inplace=True), nn.Linear(12, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return train(model, optimizer, x, y), model, optimizer


class ViewsChangedInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 12), nn.Linear(12, 1)

    def forward(self, x):
        h = self.first(x)
        left, right = h[:, :6], h.view(-1, 12)[:, 6:]
        left.mul_(1.5)
        early = left.exp()
        right[:, 0] = right[:, 1].tanh()
        right += early
        left.sub_(right.detach() * 0.1)
        parts = h.chunk(3, dim=1)
        return self.last(h * 0.3 + torch.cat([p.sin() for p in parts], dim=1)) + left.sum(1, keepdim=True)


@script
def views_changed_in_place():
    x, y = data()
    model = ViewsChangedInPlace()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return train(model, optimizer, x, y), model, optimizer


@script
def shared_modules_and_tied_weights():
    tokens = torch.randint(0, 20, (8, 5))
    emb, mix, head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 20, bias=False)
    head.weight = emb.weight
    model = nn.ModuleList([emb, mix, head])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(6):
        h = mix(torch.tanh(mix(emb(tokens))))
        loss = F.cross_entropy(head(h).flatten(0, 1), tokens.flatten())
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses, model, optimizer


@script
def hooks_of_its_own():
    x, y = data()
    model, seen = net(), []
    model[0].register_forward_hook(lambda m, a, out: out * 1.1)
    model[3].register_forward_pre_hook(lambda m, a: (a[0] + 0.01,))
    model[1].register_full_backward_hook(lambda m, g_in, g_out: seen.append(g_out[0].norm()))
    model[0].weight.register_hook(lambda g: g * 0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    optimizer.register_step_post_hook(lambda *a: seen.append(torch.rand(())))
    return train(model, optimizer, x, y) + seen, model, optimizer


@script
def weight_norms():
    x, y = data()
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)),
        nn.Tanh(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)),
        nn.Tanh(),
        nn.Linear(8, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return train(model, optimizer, x, y), model, optimizer


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant):
        super().__init__()
        self.reentrant = reentrant
        self.first, self.body, self.last = nn.Linear(6, 12), net(12, 12), nn.Linear(12, 1)

    def forward(self, x):
        h = self.first(x)
        h = h + checkpoint(self.body, h, use_reentrant=self.reentrant)
        return self.last(checkpoint(self.body, h, use_reentrant=self.reentrant))


@script
def checkpoints():
    x, y = data()
    model = Checkpointed(reentrant=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return train(model, optimizer, x, y), model, optimizer


@script
def reentrant_checkpoints():
    x, y = data()
    model = Checkpointed(reentrant=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return train(model, optimizer, x, y), model, optimizer


@script
def gradient_penalty():
    x, y = data()
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def loss_of(out, y):
        mixed = (x + 0.1 * torch.rand_like(x)).requires_grad_(True)
        (slope,) = torch.autograd.grad(model(mixed).sum(), mixed, create_graph=True)
        return F.mse_loss(out, y) + (slope.norm(dim=1) - 1).pow(2).mean()

    return train(model, optimizer, x, y, loss_of=loss_of), model, optimizer


@script
def lbfgs():
    x, y = data()
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    return [optimizer.step(closure) for _ in range(4)], model, optimizer


@script
def accumulation_and_clipping():
    x, y = data()
    model = net()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3)
    losses = []
    for k in range(12):
        loss = F.mse_loss(model(x[k % 4 :: 4]), y[k % 4 :: 4]) / 4
        loss.backward()
        losses.append(loss)
        if k % 4 == 3:
            losses.append(nn.utils.clip_grad_norm_(parameters=model.parameters(), max_norm=0.1))
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return losses, model, optimizer


@script
def adversaries():
    x, _ = data()
    maker, judge = net(4, 6), net(6, 1)
    first = torch.optim.Adam(maker.parameters(), lr=0.01, betas=(0.5, 0.9))
    second = torch.optim.Adam(judge.parameters(), lr=0.01)
    losses = []
    for _ in range(6):
        second.zero_grad()
        fake = maker(torch.randn(16, 4))
        loss = F.softplus(-judge(x)).mean() + F.softplus(judge(fake.detach())).mean()
        loss.backward()
        second.step()
        first.zero_grad()
        other = F.softplus(-judge(fake)).mean()
        other.backward()
        first.step()
        losses += [loss, other]
    return losses, nn.ModuleList([maker, judge]), (first, second)


@script
def transformer_in_train_and_eval():
    x = torch.randn(4, 5, 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    results = []
    for _ in range(4):
        model.train()
        results += train(model, optimizer, x, x.sum(-1, keepdim=True), steps=2)
        model.eval()
        with torch.no_grad():
            results.append(model(x))
        with torch.inference_mode():
            results.append(model(x * 2).clone())
    return results, model, optimizer


@script
def attention_after_a_last_step():
    """The look that begins with an optimizer's last step lasts: it must not change what is asked then."""
    x = torch.randn(4, 5, 8)
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = train(model, optimizer, x, x.cumsum(1), steps=3)
    for p in model.parameters():
        p.requires_grad_(False)
    return [*losses, model.eval()(x)], model, optimizer


@script
def recurrent():
    x = torch.randn(4, 7, 3)
    rnn, head = nn.LSTM(3, 8, num_layers=2, dropout=0.1, batch_first=True), nn.Linear(8, 1)
    model = nn.ModuleList([rnn, head])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state, losses = None, []
    for _ in range(6):
        out, state = rnn(x, state)
        state = tuple(part.detach() for part in state)
        loss = F.mse_loss(head(out), x.cumsum(1)[..., :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses, model, optimizer


class Doubling(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return result * 2 if func is F.linear else result


@script
def modes_of_its_own():
    x, y = data()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with Doubling():
        losses += train(model, optimizer, x, y, steps=2)
    losses += train(model, optimizer, x, y, steps=2)
    for _ in range(3):
        optimizer.zero_grad()
        mode = Doubling()
        with mode:
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        losses.append(loss)
        with mode:
            losses.append(model(x))
        with torch.device("cpu"), mode:
            optimizer.zero_grad()
            F.mse_loss(model(torch.ones(3, 6)), torch.ones(3, 1)).backward()
        optimizer.step()
    return losses, model, optimizer


@script
def devices_entered_and_left():
    x, y = data()
    losses = []
    with torch.device("cpu"):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        losses += train(model, optimizer, x, y, steps=2)
    for _ in range(3):
        with torch.device("meta"):
            shape = torch.empty(3).device
        losses.append(torch.tensor(float(shape.type == "meta")))
        optimizer.zero_grad()
        with torch.device("cpu"):
            loss = F.mse_loss(model(x + torch.zeros(6)), y)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    torch.set_default_device("cpu")
    losses += train(model, optimizer, x, y, steps=2)
    torch.set_default_device(None)
    return losses, model, optimizer


@script
def evaluations():
    x, y = data()
    model = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    @torch.no_grad()
    def score():
        model.eval()
        return F.mse_loss(model(x), y)

    @torch.inference_mode()
    def peek():
        out = model(x)
        out[0] = 0
        return float(out.sum())

    results = []
    for _ in range(4):
        model.train()
        results += train(model, optimizer, x, y, steps=2)
        results += [score(), torch.tensor(peek())]
        with torch.no_grad():
            results.append(torch.rand(2))
            model[0].weight.add_(0.001)
    return results, model, optimizer


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, k):
        return torch.randn(6) + k, torch.rand(1)


def _batches(workers):
    loader = DataLoader(Items(), batch_size=4, shuffle=True, num_workers=workers)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    losses = []
    for _ in range(2):
        for x, y in loader:
            losses += train(model, optimizer, x, y, steps=1)
    return losses, model, optimizer


@script
def batches():
    return _batches(0)


@script
def batches_of_workers():
    return _batches(2)


class Fragile(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(6, 1), 0

    def forward(self, x):
        out = self.linear(x)
        self.calls += 1
        if self.calls % 3 == 2:
            raise ValueError("a batch that does not suit")
        return out


class Stubborn(torch.optim.SGD):
    calls = 0

    def step(self, closure=None):
        Stubborn.calls += 1
        if Stubborn.calls % 4 == 3:
            raise RuntimeError("not this time")
        torch.optim.SGD.step(self, closure)


@script
def exceptions_caught():
    x, y = data()
    model = Fragile()
    Stubborn.calls = 0
    optimizer = Stubborn(model.parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        with contextlib.suppress(ValueError, RuntimeError):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            losses.append(loss)
            optimizer.step()
        with contextlib.suppress(RuntimeError):
            x @ x
    return losses, model, optimizer


@script
def compiled_model():
    x, y = data()
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 1))
    quick = torch.compile(model, backend="eager")
    optimizer = torch.optim.Adam(quick.parameters(), lr=0.01)
    losses = train(quick, optimizer, x, y)
    model.compile(backend="eager")
    losses += train(model, optimizer, x, y, steps=3)
    with Doubling(), torch.no_grad():
        losses.append(quick(x))
    return losses, model, optimizer


@script
def compiled_function():
    x, y = data()
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    @torch.compile(backend="eager")
    def forward(x):
        with torch.no_grad():
            x = x * 1.01
        return model(x)

    return train(forward, optimizer, x, y), model, optimizer


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * 0.7


@script
def autograd_functions():
    x, y = data()
    straight = Straight.apply
    model = net(6, 8)
    head = nn.Linear(8, 1)
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], lr=0.05)
    losses = train(lambda x: head(straight(model(x))), optimizer, x, y)
    return losses, nn.ModuleList([model, head]), optimizer


@script
def weights_changed_by_hand():
    x, y = data()
    w, b = torch.randn(6, 1, requires_grad=True), nn.Parameter(torch.zeros(1))
    losses = []
    for _ in range(8):
        loss = (x @ w + b - y).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.05 * w.grad
            b -= 0.05 * b.grad
        w.grad.zero_()
        b.grad = None
        losses.append(loss)
    return losses, nn.ParameterList([nn.Parameter(w), b]), None


@script
def steps_within_backward():
    x, y = data()
    model = net()
    optimizers = {p: torch.optim.SGD([p], lr=0.01) for p in model.parameters()}

    def step(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(step)
    losses = []
    for _ in range(8):
        loss = F.mse_loss(model(x), y)
        loss.backward()
        losses.append(loss)
    return losses, model, None


@script
def lazy_and_functional():
    x, y = data()
    model = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = train(model, optimizer, x, y, steps=3)
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss_of(weights, x, y):
        return F.mse_loss(torch.func.functional_call(model, weights, (x[None],)), y[None])

    grads = torch.func.vmap(torch.func.grad(loss_of), (None, 0, 0))(weights, x, y)
    losses += list(grads.values())
    return losses + train(model, optimizer, x, y, steps=2), model, optimizer


@script
def mixed_precision():
    x, y = data()
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, foreach=True)

    def forward(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(x[:, None])

    average = copy.deepcopy(model)
    losses = train(forward, optimizer, x, y, loss_of=lambda out, y: F.mse_loss(out.float(), y))
    average.load_state_dict(model.state_dict())
    return [*losses, average.eval()(x[:, None])], model, optimizer


@script
def losses_lost():
    x, y = data()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e20)
    return train(model, optimizer, x, y, steps=9), model, optimizer


def _flat(value, found):
    if isinstance(value, torch.Tensor):
        found.append(value.detach().clone())
    elif isinstance(value, dict):
        for key in value:
            _flat(value[key], found)
    elif isinstance(value, list | tuple):
        for part in value:
            _flat(part, found)
    elif isinstance(value, int | float):
        found.append(torch.tensor(value, dtype=torch.float64))


def run(function):
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    results, model, optimizers = function()
    found: list[torch.Tensor] = []
    _flat(results, found)
    _flat([*model.state_dict().values(), *(p.grad for p in model.parameters())], found)
    for optimizer in optimizers if isinstance(optimizers, tuple) else (optimizers,):
        if optimizer is not None:
            _flat(optimizer.state_dict(), found)
    streams = (torch.get_rng_state(), torch.as_tensor(np.random.get_state()[1].astype(np.int64)))
    return [*found, *streams, torch.tensor(hash(random.getstate()))]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTS)
def test_results_are_the_same(name):
    alone = run(SCRIPTS[name])
    assert all(torch.equal(a, b) for a, b in zip(alone, run(SCRIPTS[name]), strict=True) if not torch.isnan(a).any())
    watch = Watch()
    watch.attach()
    try:
        watched = run(SCRIPTS[name])
    finally:
        watch.detach()
    assert torch._C._len_torch_function_stack() == 0
    assert len(alone) == len(watched)
    for k, (a, b) in enumerate(zip(alone, watched, strict=True)):
        assert a.shape == b.shape and a.dtype == b.dtype and a.stride() == b.stride(), k
        assert torch.equal(torch.nan_to_num(a.float(), 7.5), torch.nan_to_num(b.float(), 7.5)), k
        assert torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8)) if a.dim() else True, k
    case = watch.case()
    assert case.faults == []
    assert case.steps >= 2
    if name not in ("compiled_function", "steps_within_backward"):
        assert case.looks


def test_data_sets_are_seen():
    """The watch of the scripts above is not blind: what it looks at holds modules, functions and losses."""
    watch = Watch()
    watch.attach()
    run(SCRIPTS["plain"])
    watch.detach()
    names = {op.name for look in watch.case().looks for op in look.ops}
    assert {"Linear", "linear", "relu", "mse_loss", "backward", "step", "zero_grad"} <= names
    assert DataLoader(TensorDataset(torch.zeros(3)))  # and torch goes on as it did
