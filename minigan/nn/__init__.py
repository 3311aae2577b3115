"""Networks: modules with parameters, in PyTorch's names. Imports functional and init."""

from minigan import functional, init
from minigan.nn.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    Maxout,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minigan.nn.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from minigan.nn.functional_call import functional_call
from minigan.nn.linear import Dropout, Embedding, Flatten, Identity, Linear, Unflatten
from minigan.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from minigan.nn.minibatch import MinibatchDiscrimination, MinibatchStdDev
from minigan.nn.module import Buffer, Module, ModuleList, Parameter, Sequential, frozen
from minigan.nn.norm import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from minigan.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, PixelShuffle, Upsample
from minigan.nn.spectral_norm import SpectralNorm, spectral_norm
