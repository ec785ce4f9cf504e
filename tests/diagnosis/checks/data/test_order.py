"""Batches in the order of their targets, against the same rows shuffled."""

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from thalweg.diagnosis.watching import Watch


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.03)


def in_order(x, y):
    order = torch.argsort(y, stable=True)
    return x[order], y[order]


def test_one_kind_after_another(train, found, blobs):
    x, y = in_order(*blobs(noise=1.2))
    finding = found(train(adam, x=x, y=y, loss=F.cross_entropy, size=8, steps=90, shuffle=False), "unshuffled-data")[0]
    assert float(finding.cause.values["percent"]) > 80
    assert finding.where.file == __file__ and finding.where.line == adam.__code__.co_firstlineno + 1


def test_the_line_of_the_loader(found, net, blobs):
    x, y = in_order(*blobs(noise=1.2))
    watch = Watch()
    watch.attach()
    try:
        model = net(out=3)
        optimizer = adam(model.parameters())
        loader = DataLoader(TensorDataset(x, y), batch_size=8)
        for _ in range(3):
            for rows, kinds in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(rows), kinds).backward()
                optimizer.step()
    finally:
        watch.detach()
    finding = found(watch.case(), "unshuffled-data")[0]
    source = __import__("inspect").getsource(__import__("sys").modules[__name__]).splitlines()
    assert (
        "for rows, kinds in loader" in source[finding.where.line - 1] or "DataLoader(" in source[finding.where.line - 1]
    )


def test_the_same_rows_shuffled_are_healthy(train, alarms, blobs):
    x, y = in_order(*blobs())
    assert alarms(train(adam, x=x, y=y, loss=F.cross_entropy, size=8, steps=90)) == []


def test_few_kinds_shuffled_that_were_not_learnt(train, found, blobs):
    x, y = blobs(noise=1.2)
    case = train(lambda p: torch.optim.SGD(p, lr=1e-5), x=x, y=y, loss=F.cross_entropy, size=8, steps=90)
    assert found(case, "unshuffled-data") == []
