import argparse
import os
import random
import tempfile

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from sklearn.datasets import make_blobs

RANKS = 2


class BlobNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = torch.nn.Linear(8, 32)
        self.l2 = torch.nn.Linear(32, 32)
        self.l3 = torch.nn.Linear(32, 6)

    def forward(self, x):
        return self.l3(torch.tanh(self.l2(torch.tanh(self.l1(x)))))


def sync(params):
    for p in params:
        grad = p.grad.div(RANKS)
        dist.all_reduce(grad, op=dist.ReduceOp.SUM)


def job(rank, seed, rendezvous, result):
    torch.set_num_threads(1)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    dist.init_process_group("gloo", init_method="file://" + rendezvous, rank=rank, world_size=RANKS)
    x, y = make_blobs(n_samples=2400, n_features=8, centers=18, cluster_std=1.6, random_state=seed)
    x, y = torch.tensor(x / 6, dtype=torch.float32), torch.tensor(y % 6)
    # each rank reads the file of one site; the sites see other kinds of cases
    mine = torch.arange(2000)[y[:2000] // 3 == rank]
    xs, ys = x[mine], y[mine]

    net = BlobNet()
    opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
    for epoch in range(8):
        for rows in torch.randperm(len(xs))[:960].split(80):
            loss = torch.nn.functional.cross_entropy(net(xs[rows]), ys[rows])
            opt.zero_grad()
            loss.backward()
            sync(net.parameters())
            opt.step()
        if rank == 0 and epoch % 2 == 1:
            print("epoch", epoch + 1, "loss on rank 0:", round(loss.item(), 4), flush=True)
    if rank == 0:
        with torch.no_grad():
            acc = (net(x[2000:]).argmax(1) == y[2000:]).float().mean().item()
        result.put(acc)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    with tempfile.TemporaryDirectory() as tmp:
        context = mp.get_context("fork")
        result = context.SimpleQueue()
        jobs = [context.Process(target=job, args=(r, seed, os.path.join(tmp, "store"), result)) for r in range(RANKS)]
        [j.start() for j in jobs]
        [j.join() for j in jobs]
        print("METRIC accuracy", round(result.get(), 4))
