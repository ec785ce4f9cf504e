import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


def batches(n, size):
    return torch.randperm(n).split(size)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def distillation_loss(student_logits, teacher_logits, T):
    soft = F.softmax(teacher_logits / T, dim=1)
    return -(soft * F.log_softmax(student_logits / T, dim=1)).sum(1).mean() * T * T


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=4.0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    data = load_digits()
    order = torch.randperm(len(data.target))
    x = torch.tensor(data.data / 16, dtype=torch.float32)[order]
    y = torch.tensor(data.target)[order]
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    teacher = nn.Sequential(nn.Linear(64, 150), nn.ReLU(), nn.Linear(150, 150), nn.ReLU(), nn.Linear(150, 10))
    opt = torch.optim.Adam(teacher.parameters(), lr=2e-3)
    for _ in range(8):
        for b in batches(1300, 50):
            opt.zero_grad()
            F.cross_entropy(teacher(x_train[b]), y_train[b]).backward()
            opt.step()
    print(f"teacher: test acc {accuracy(teacher, x_test, y_test):.4f}")
    for p in teacher.parameters():
        p.requires_grad_(False)

    student = nn.Sequential(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
    opt = torch.optim.Adam(student.parameters(), lr=4e-3)
    for epoch in range(20):
        student.train()
        for b in batches(1300, 50):
            with torch.no_grad():
                t = teacher(x_train[b])
            loss = distillation_loss(student(x_train[b]), t, args.temperature)
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: kd {loss.item():.3f}, test acc {accuracy(student, x_test, y_test):.4f}")
    print(f"METRIC accuracy {accuracy(student, x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
