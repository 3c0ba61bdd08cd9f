"""Recurrent layers: Keras' own, with back-propagation through time derived by hand, and stacks."""

from kerasllm.layers.recurrent.bidirectional import Bidirectional
from kerasllm.layers.recurrent.gru import GRU
from kerasllm.layers.recurrent.lstm import LSTM
from kerasllm.layers.recurrent.simple_rnn import SimpleRNN
from kerasllm.layers.recurrent.stack import BiLSTM, StackedRNN

__all__ = ["GRU", "LSTM", "BiLSTM", "Bidirectional", "SimpleRNN", "StackedRNN"]
