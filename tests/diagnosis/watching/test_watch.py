"""What a watch leaves behind, what it writes down, and what it does when something of its own goes wrong."""

import math
import os
import sys
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from thalweg.diagnosis.watching import Enough, Watch, looks, places, recorder, samples, surroundings
from thalweg.diagnosis.watching import watch as watching


@pytest.fixture
def watch():
    torch.manual_seed(0)
    one = Watch()
    one.attach()
    yield one
    one.detach()


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def steps(model, optimizer, count=5, rows=8):
    losses = []
    for _ in range(count):
        x = torch.randn(rows, 4)
        loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def surface():
    """Everything of torch's that a watch might have put something around."""
    owners = [torch, torch.Tensor, torch.autograd, torch.autograd.Function, torch.no_grad, torch.inference_mode]
    owners += [torch.nn.utils, nn.init, nn.Module, torch.optim.Optimizer, DataLoader, torch.overrides, warnings]
    owners += [torch.utils.data.dataloader._BaseDataLoaderIter, torch.utils.data.dataloader]
    owners += [value for value in vars(lr_scheduler).values() if isinstance(value, type)]
    found = {(id(owner), name): value for owner in owners for name, value in vars(owner).items()}
    optim = sys.modules["torch.optim.optimizer"]
    hooks = [*optim._global_optimizer_pre_hooks, *optim._global_optimizer_post_hooks]
    return found, hooks, torch._C._len_torch_function_stack()


def test_torch_is_as_before():
    steps(net(), torch.optim.SGD(net().parameters(), lr=0.1), 1)  # torch fills caches of its own at first use
    before = surface()
    one = Watch()
    one.attach()
    during = surface()
    assert {key for key in before[0] if during[0].get(key) is not before[0][key]}
    model = net()
    steps(model, torch.optim.Adam(model.parameters()))
    model.eval()
    with torch.no_grad():
        model(torch.ones(1, 4))
        one.detach()
    after = surface()
    changed = {key for key in before[0] if after[0].get(key) is not before[0][key]}
    assert not {name for _, name in changed} and after[1:] == before[1:]
    one.detach()  # a second time does nothing
    assert surface()[1:] == before[1:]


def test_what_the_script_kept_of_ours_is_silent_afterwards():
    one = Watch()
    one.attach()
    clip, set_weights, no_grad = nn.utils.clip_grad_norm_, nn.init.zeros_, torch.no_grad()
    one.detach()
    model = net()
    set_weights(model[0].weight)
    clip(model.parameters(), 1.0)
    with no_grad:
        pass
    case = one.case()
    assert not case.notes and not case.started and not case.views


def test_losses_and_rates_are_those_of_the_script(watch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 3, gamma=0.5)
    told, rates = [], []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        told += steps(model, optimizer, 1)
        schedule.step()
    (course,) = watch.case().courses
    assert course.losses == told
    assert course.rate() == rates
    assert course.backwards == [1] * 9
    assert course.first_settings[0]["lr"] == 0.1


def test_the_parts_of_a_step_are_one_loss(watch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, told = torch.randn(8, 4), []
    for _ in range(4):
        optimizer.zero_grad()
        for part in x.split(2):
            loss = model(part).pow(2).mean() / 4
            loss.backward()
            told.append(loss.item())
        optimizer.step()
    (course,) = watch.case().courses
    assert course.losses == pytest.approx([sum(told[k : k + 4]) for k in range(0, 16, 4)])
    assert course.backwards == [4] * 4


def test_a_closure_called_again_counts_once(watch):
    model, x = nn.Linear(4, 1), torch.randn(16, 4)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=6)
    calls = []

    def closure():
        optimizer.zero_grad()
        for part in x.split(8):
            loss = (model(part) - part.sum(1, keepdim=True)).pow(2).mean() / 2
            loss.backward()
            calls.append(loss.item())
        return loss

    firsts = []
    for _ in range(4):
        count = len(calls)
        optimizer.step(closure)
        firsts.append(sum(calls[count : count + 2]))
    (course,) = watch.case().courses
    assert len(calls) > 2 * 4 * 2  # more than one evaluation a step
    assert course.losses == pytest.approx(firsts)
    assert all(look.loss == course.losses[look.step] for look in watch.case().looks)


def test_recomputed_parts_are_no_losses(watch):
    first, second = nn.Linear(4, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    told = []
    for _ in range(4):
        x = torch.randn(8, 4, requires_grad=True)
        loss = second(torch.utils.checkpoint.checkpoint(first, x, use_reentrant=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told.append(loss.item())
    assert watch.case().courses[0].losses == told


def test_two_optimizers_have_two_curves(watch):
    one, two = net(), net()
    first, second = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(two.parameters(), lr=0.2)
    told = [steps(one, first, 1) + steps(two, second, 1) for _ in range(6)]
    courses = {id(course.optimizer): course for course in watch.case().courses}
    assert courses[id(first)].losses == [a for a, _ in told]
    assert courses[id(second)].losses == [b for _, b in told]
    assert courses[id(second)].rate() == [0.2] * 6


def test_an_optimizer_around_another_takes_one_step(watch):
    class Around(torch.optim.SGD):
        def step(self, closure=None):
            torch.optim.SGD.step(self, closure)

    model = net()
    torch.optim.SGD(model.parameters(), lr=0.1)
    told = steps(model, Around(model.parameters(), lr=0.1), 6)
    (course,) = watch.case().courses
    assert course.losses == told


def test_weights_changed_by_hand_have_a_curve(watch):
    w, x, told = torch.ones(4, 1, requires_grad=True), torch.randn(8, 4), []
    for _ in range(6):
        loss = (x @ w).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad = None
        told.append(loss.item())
    watch.detach()
    case = watch.case()
    (course,) = case.courses
    assert course.optimizer is None and course.losses == told
    assert [look.loss for look in case.looks] == told[1 : 1 + len(case.looks)] and case.looks
    assert all("matmul" in {op.name for op in look.trail(look.losses()[0])} for look in case.looks)


def test_a_loss_that_is_no_number_is_told(watch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, optimizer, 3)
    for _ in range(2):
        optimizer.zero_grad()
        (torch.sqrt(model(torch.ones(2, 4)) * 0 - 1)).mean().backward()
    case = watch.case()
    step, story = case.broken
    assert step == 3 and story["weights"] == [] and ("SqrtBackward0" in dict(story["nodes"]))


def test_lines_are_the_scripts(watch):
    made = places.here(1).line + 1
    model = nn.Linear(4, 1)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=4)
    for (x,) in loader:
        model(x).mean().backward()
        optimizer.step()
    case = watch.case()
    assert case.made[id(model)].line == made and case.made[id(model)].file == __file__
    name, place, _ = case.started[id(model.weight)]
    assert name == "ones_" and place == places.Place(__file__, made + 1, "test_lines_are_the_scripts")
    assert case.courses[0].place.line == made + 2
    assert case.loaders[0].place.line == made + 3
    assert case.loaders[0].epochs == 1 and case.loaders[0].batches == 2
    ops = {op.name: op for op in case.looks[0].ops}
    assert ops["Linear"].place.line == ops["mean"].place.line == ops["backward"].place.line == made + 5
    assert case.roots[0].name == "model" and case.names[id(model.weight)] == "weight"


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o), lr_scheduler.StepLR(o, 2)], [2]),
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2)]),
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=9),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_steps_of_every_schedule_are_seen(watch, schedule):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    made = schedule(optimizer)
    for _ in range(5):
        steps(model, optimizer, 1)
        made.step()
    notes = [note.data for note in watch.case().notes if note.kind == "schedule" and note.data[0] is made]
    if type(made) is not lr_scheduler.ChainedScheduler and type(made) is not lr_scheduler.SequentialLR:
        assert [step for step, _ in notes[0][1]] == [1, 2, 3, 4, 5]
    assert watch.case().faults == []


@pytest.fixture
def few_looks(monkeypatch):
    """After the first steps nothing is looked at but evaluations."""
    monkeypatch.setattr(looks, "SHARE", 0.0)
    monkeypatch.setattr(looks, "ALLOWANCE", 0.0)
    monkeypatch.setattr(looks, "_OVERDUE", 1e9)


def test_an_evaluation_never_left_ends_with_the_next_step(watch, few_looks, monkeypatch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, optimizer, 6)
    model.eval()  # and nobody calls train() again
    assert watch._looks.is_viewing()
    steps(model, optimizer, 1)
    assert watch._looks.recorder is None
    monkeypatch.setattr(looks, "ALLOWANCE", 9.0)
    steps(model, optimizer, 3)
    case = watch.case()
    assert len(case.views) == 1 and [look.step for look in case.looks] == [0, 1, 2, 3, 4, 8, 9]
    last = next(op for op in case.looks[-1].ops if op.name == "Sequential")
    assert last.training is False


def test_evaluations_are_looked_at(watch, few_looks):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, optimizer, 6)
    for guard in (torch.no_grad(), torch.inference_mode()):
        with guard:
            model(torch.ones(2, 4)).argmax(1)
        steps(model, optimizer, 2)
    case = watch.case()
    assert case.faults == [] and len(case.views) == 2
    for view in case.views:
        assert any(op.name == "argmax" and not op.grad for op in view.ops)
        assert not any(op.name == "step" for op in view.ops)


# -- limits


@pytest.mark.parametrize("by_hand", [False, True])
def test_enough_after_so_many_steps(watch, by_hand):
    watch.limit(max_steps=5)
    w = nn.Parameter(torch.ones(3))
    optimizer = None if by_hand else torch.optim.SGD([w], lr=0.1)
    with pytest.raises(Enough):
        for _ in range(50):
            w.pow(2).sum().backward()
            if optimizer is not None:
                optimizer.step()
    assert watch.case().steps == 5
    assert not issubclass(Enough, Exception)


def test_enough_after_so_many_seconds(watch):
    watch.limit(max_seconds=0.0)
    model = net()
    with pytest.raises(Enough):
        steps(model, torch.optim.SGD(model.parameters(), lr=0.1), 3)
    assert watch.case().steps == 1


def test_memory_is_bounded(watch, monkeypatch):
    monkeypatch.setattr(looks, "_ROOM", 40_000)
    monkeypatch.setattr(looks, "ALLOWANCE", 1e9)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(120):
        steps(model, optimizer, 1, rows=32)
        watch._looks.end(keep=False)
        with torch.no_grad():
            model(torch.ones(64, 4))
        watch._looks.begin("train", [optimizer])
    case = watch.case()
    assert case.steps == 120
    assert 2 <= len(case.looks) <= 48 and 2 <= len(case.views) <= 24
    assert case.looks[0].step == 0 and case.looks[-1].step > 100
    assert looks._unique_bytes(case.looks) <= 40_000


def test_values_beside_data_have_little_room(watch, monkeypatch):
    monkeypatch.setattr(recorder, "_ROOM", 2000)
    w = nn.Parameter(torch.ones(100))
    optimizer = torch.optim.SGD([w], lr=0.01)
    for _ in range(3):
        x = torch.randn(100)
        for _ in range(30):
            x = x * w
        x.sum().backward()
        optimizer.step()
    for look in watch.case().looks:
        made = [n for n in look.tensors if look.values[n].maker is not None]
        assert sum(look.tensors[n].numel() * 4 for n in made) <= 2000


def test_a_look_keeps_no_value_alive(watch):
    """What a module makes on its way is gone once the script has done with it, looked at or not."""
    alive = []

    class Wide(nn.Module):
        def forward(self, x):
            for _ in range(40):
                x = x + 1
                alive.append(recorder.weakref.ref(x))
            return x.sum()

    with torch.no_grad():
        Wide()(torch.ones(10))
    assert watch._looks.recorder is None or watch._looks.is_viewing()
    assert sum(ref() is not None for ref in alive) <= 1
    assert any(op.name == "Wide" for view in watch.case().views for op in view.ops)


def test_notes_and_loaders_are_bounded(watch, monkeypatch):
    monkeypatch.setattr(surroundings, "_NOTES", 10)
    monkeypatch.setattr(surroundings, "_LOADERS", 3)
    model = net()
    for _ in range(40):
        model.eval()
        model.train()
        list(DataLoader(TensorDataset(torch.zeros(2))))
    case = watch.case()
    assert sum(note.kind == "mode" for note in case.notes) == 10 and len(case.loaders) == 3


def test_a_step_too_long_is_not_kept(watch, monkeypatch):
    w = nn.Parameter(torch.ones(()))
    optimizer = torch.optim.SGD([w], lr=1e-9)
    for _ in range(2):
        x = w
        for _ in range(recorder.LONGEST + 1):
            x = x + 1
        x.backward()
        optimizer.step()
    steps(net(), optimizer, 2)
    case = watch.case()
    assert case.faults == [] and all(len(look.ops) < recorder.LONGEST for look in case.looks)
    assert {look.step for look in case.looks} == {2, 3}


def test_copies_of_the_start_are_bounded(watch, monkeypatch):
    monkeypatch.setattr(samples, "_COPY", 1000)
    for _ in range(20):
        model = net()
        steps(model, torch.optim.SGD(model.parameters(), lr=0.1), 1)
    kept = sum(copy.numel() * 4 for _, copy in watch.case().start)
    assert 0 < kept <= 1000


# -- faults of our own


def broken(*args, **kwargs):
    raise ZeroDivisionError("ours")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (recorder, "here"),
        (recorder, "Value"),
        (recorder, "_version"),
        (looks, "_variable"),
        (looks, "_thin"),
        (looks, "Look"),
        (surroundings, "here"),
        (surroundings, "_mark"),
        (samples, "_rms"),
        (watching, "copy_of_start"),
        (watching, "here"),
    ],
)
def test_a_fault_of_ours_is_named_and_goes_no_further(owner, name, monkeypatch):
    def script():
        torch.manual_seed(0)
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        told = []
        for (x,) in DataLoader(TensorDataset(torch.randn(24, 4)), batch_size=4):
            told += steps(model, optimizer, 1)
            model.eval()
            with torch.no_grad():
                told.append(float(model(x).sum()))
            model.train()
        return told

    alone = script()
    monkeypatch.setattr(owner, name, broken)
    one = Watch()
    one.attach()
    try:
        watched = script()
    finally:
        one.detach()
    assert watched == alone
    case = one.case()
    assert 1 <= len(case.faults) <= 8
    assert all("ZeroDivisionError: ours" in fault and ".py:" in fault for fault in case.faults)
    assert torch._C._len_torch_function_stack() == 0
    losses = [loss for loss in case.courses[0].losses if not math.isnan(loss)] if case.courses else []
    assert losses == alone[::2] or owner is watching


def test_a_forked_process_writes_nothing_into_its_parents_look(watch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, optimizer, 2)
    before = len(watch._looks.recorder.look.ops)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        model(torch.ones(1, 4))
        os.write(writer, bytes([len(watch._looks.recorder.look.ops) - before]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"\0"
    os.close(reader), os.close(writer)


def test_a_forked_process_can_begin_anew(watch):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, optimizer, 2)
    watch.child()
    told = steps(model, optimizer, 3)
    for _ in DataLoader(TensorDataset(torch.zeros(2))):
        pass
    case = watch.case()
    assert case.courses[0].losses == told and watch.fingerprints and case.looks and len(case.loaders) == 1


def test_looks_are_spread_over_the_whole_run_however_little_time_there_is(watch, monkeypatch):
    monkeypatch.setattr(looks, "SHARE", 0.0)
    monkeypatch.setattr(looks, "ALLOWANCE", 0.0)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(60):
        steps(model, optimizer, 10)
        with torch.no_grad():
            model(torch.ones(2, 4)).argmax(1)
    case = watch.case()
    for shelf in (case.looks, case.views):
        late = [look.step for look in shelf if look.step >= 60]
        assert 4 <= len(late) <= 8 and late[-1] > 300, late  # one in each half as much again


def test_a_network_that_comes_late_is_looked_at(watch, monkeypatch):
    monkeypatch.setattr(looks, "ALLOWANCE", 9.0)
    first, second = net(), net()
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    steps(first, optimizer, 100)
    steps(second, optimizer, 30)
    seen = [look.step for look in watch.case().looks if look.step >= 100]
    assert len(seen) >= 5 and seen[1:5] == [seen[0] + k for k in (1, 2, 3, 4)], seen


def test_an_optimizer_made_anew_goes_on_with_its_curve_and_another_does_not(watch):
    first, second = net(), net()
    for _ in range(3):
        rule = torch.optim.SGD(first.parameters(), lr=0.1)
        steps(first, rule, 2)
    gone = id(rule)
    other = torch.optim.SGD(second.parameters(), lr=0.1)
    steps(second, other, 4)
    case = watch.case()
    assert [(course.steps, course.remade) for course in case.courses] == [(6, 2), (4, 0)]
    assert id(case.courses[0].optimizer) == gone and case.courses[1].optimizer is other


def test_one_made_for_later_leaves_the_curve_to_the_one_in_use(watch):
    model = net()
    rule = torch.optim.SGD(model.parameters(), lr=0.1)
    steps(model, rule, 4)
    later = torch.optim.SGD(model.parameters(), lr=0.01)
    steps(model, rule, 20)
    assert later.param_groups and watch.case().main.optimizer is rule and watch.case().main.steps == 20
