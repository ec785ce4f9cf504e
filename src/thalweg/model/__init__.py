"""The function that is trained: specifications of networks, losses, metrics, and a look into the layers."""

from thalweg.core import members
from thalweg.model.activations import ACTIVATIONS as ACTIVATIONS
from thalweg.model.activations import Maxout as Maxout
from thalweg.model.base import Model as Model
from thalweg.model.base import build_seeded as build_seeded
from thalweg.model.convnet import ConvNet as ConvNet
from thalweg.model.convnet import convnet as convnet
from thalweg.model.custom import Built as Built
from thalweg.model.custom import Module as Module
from thalweg.model.dropout import Dropout as Dropout
from thalweg.model.layers import LayerRow as LayerRow
from thalweg.model.layers import activation_signals as activation_signals
from thalweg.model.layers import layer_table as layer_table
from thalweg.model.losses import BCE as BCE
from thalweg.model.losses import MAE as MAE
from thalweg.model.losses import MSE as MSE
from thalweg.model.losses import CrossEntropy as CrossEntropy
from thalweg.model.losses import Huber as Huber
from thalweg.model.losses import Loss as Loss
from thalweg.model.losses import loss_for as loss_for
from thalweg.model.metrics import Metric as Metric
from thalweg.model.metrics import metrics_for as metrics_for
from thalweg.model.mlp import MLP as MLP
from thalweg.model.mlp import mlp as mlp
from thalweg.model.recurrent import Recurrent as Recurrent
from thalweg.model.recurrent import recurrent as recurrent
from thalweg.model.transformer import Transformer as Transformer
from thalweg.model.transformer import transformer as transformer

MODELS = members(Model, vars())
LOSSES = members(Loss, vars())
