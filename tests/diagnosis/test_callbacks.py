"""The watch inside trainers of others. They are large and optional: what needs them is left out where they are not."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import thalweg as tw
from thalweg.core import MissingPackage

X = torch.randn(256, 6, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] * X[:, 1] > 0).long()


def network(*last):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2), *last)


@pytest.mark.parametrize(
    ("make", "package"), [("lightning_callback", "lightning"), ("trainer_callback", "transformers")]
)
def test_what_to_install(monkeypatch, make, package):
    for name in (package, f"{package}.pytorch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match="pip install"):
        getattr(tw, make)()


@pytest.mark.filterwarnings("ignore")  # of theirs
def test_lightning(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Task(lightning.LightningModule):
        def __init__(self, *last):
            super().__init__()
            self.model = network(*last)

        def training_step(self, batch, index):
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.01)

    told = []
    for last in ([], [nn.Softmax(1)]):
        callback = tw.lightning_callback(budget=10)
        trainer = lightning.Trainer(
            max_epochs=20, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu", callbacks=[callback], default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(Task(*last), DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True))
        told.append(callback.diagnosis)
    assert told[0].verdict == "healthy" and told[0].steps == 160
    assert told[1].findings[0].code == "double-softmax"


@pytest.mark.filterwarnings("ignore")  # of theirs
def test_hugging_face(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Task(nn.Module):
        def __init__(self, *last):
            super().__init__()
            self.model = network(*last)

        def forward(self, x, labels):
            out = self.model(x)
            return {"loss": F.cross_entropy(out, labels), "logits": out}

    rows = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    told = []
    for last in ([], [nn.Softmax(1)]):
        callback = tw.trainer_callback(budget=10)
        asked = transformers.TrainingArguments(
            output_dir=str(tmp_path), num_train_epochs=20, per_device_train_batch_size=32, learning_rate=0.01,
            report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        transformers.Trainer(Task(*last), asked, train_dataset=rows, callbacks=[callback]).train()
        told.append(callback.diagnosis)
    assert told[0].verdict == "healthy" and told[0].steps == 160
    assert told[1].findings[0].code == "double-softmax"
