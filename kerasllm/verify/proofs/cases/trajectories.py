"""The optimizers and models that check 4 trains, and their settings."""

from functools import partial

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.proofs.cases.models import MODELS
from kerasllm.verify.proofs.training import ModelTrajectory, Trajectory


def _trajectory(name, keras_class, function, clip=None, keras_clip=None, **settings):
    limit = settings.pop("limit", None)
    return Trajectory(
        name=name,
        covers=(function.__name__, *([clip.__name__] if clip else [])),
        keras=keras_class,
        step=partial(function, scalar_dtype=np.float32, **settings),
        settings=settings,
        clip=partial(clip, limit=limit) if clip else None,
        clip_setting={keras_clip: limit} if clip else {},
    )


_sgd = partial(_trajectory, keras_class=keras.optimizers.SGD, function=ref.sgd)
_rmsprop = partial(_trajectory, keras_class=keras.optimizers.RMSprop, function=ref.rmsprop)
_adam = partial(_trajectory, keras_class=keras.optimizers.Adam, function=ref.adam)

TRAJECTORIES = (
    _sgd("SGD", learning_rate=0.1),
    _sgd("momentum", learning_rate=0.05, momentum=0.9),
    _sgd("Nesterov", learning_rate=0.05, momentum=0.9, nesterov=True),
    _rmsprop("RMSprop", learning_rate=0.003),
    _rmsprop("RMSprop, centered", learning_rate=0.003, rho=0.8, momentum=0.7, centered=True),
    _adam("Adam", learning_rate=0.01),
    _adam("Adam, amsgrad", learning_rate=0.01, amsgrad=True),
    _trajectory("Lion", keras.optimizers.Lion, ref.lion, learning_rate=0.003),
    _trajectory("Adafactor", keras.optimizers.Adafactor, ref.adafactor, learning_rate=0.03),
    _adam("Adam, other betas", learning_rate=0.01, beta_1=0.8, beta_2=0.97, epsilon=1e-3),
    _trajectory(
        "AdamW", keras.optimizers.AdamW, ref.adamw, learning_rate=0.01, weight_decay=0.1
    ),
    _sgd("clipped by value", clip=ref.clip_by_value, keras_clip="clipvalue",
         learning_rate=0.3, limit=0.02),
    _sgd("clipped by norm", clip=ref.clip_by_norm, keras_clip="clipnorm",
         learning_rate=0.3, limit=0.05),
    _adam("clipped by global norm", clip=ref.clip_by_global_norm, keras_clip="global_clipnorm",
          learning_rate=0.01, limit=0.1),
    *(ModelTrajectory(*model) for model in MODELS if keras.backend.backend() == "tensorflow"),
)  # fmt: skip
