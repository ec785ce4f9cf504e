import argparse
import random

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def get_data(n):
    xy = torch.rand(n, 2) * 2 - 1
    z = torch.sin(3 * xy[:, 0]) * torch.cos(2 * xy[:, 1]) + 0.5 * xy[:, 0] * xy[:, 1]
    return xy, (z + 0.03 * torch.randn(n)).unsqueeze(1)


def get_model():
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    return model, optim.SGD(model.parameters(), lr=0.01)


def loss_batch(model, loss_func, xb, yb, opt=None):
    loss = loss_func(model(xb), yb)
    if opt is not None:
        loss.backward()
        opt.step()
        opt.zero_grad()
    return loss.item(), len(xb)


def fit(epochs, model, loss_func, opt, train_dl, valid_dl):
    sched = optim.lr_scheduler.OneCycleLR(opt, max_lr=0.2, total_steps=epochs * len(train_dl), cycle_momentum=False)
    for epoch in range(epochs):
        model.train()
        for xb, yb in train_dl:
            loss_batch(model, loss_func, xb, yb, opt)
        sched.step()
        model.eval()
        with torch.no_grad():
            losses, nums = zip(*[loss_batch(model, loss_func, xb, yb) for xb, yb in valid_dl], strict=False)
        val_loss = np.sum(np.multiply(losses, nums)) / np.sum(nums)
        print(epoch, val_loss)
    return val_loss


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seed", type=int, default=0)
    seed = a.parse_args().seed
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
    train_ds, valid_ds = TensorDataset(*get_data(1600)), TensorDataset(*get_data(500))
    train_dl = DataLoader(train_ds, batch_size=40, shuffle=True)
    valid_dl = DataLoader(valid_ds, batch_size=250)
    model, opt = get_model()
    val_loss = fit(16, model, nn.functional.mse_loss, opt, train_dl, valid_dl)
    print("METRIC r2", 1 - val_loss / valid_ds.tensors[1].var().item())


main()
