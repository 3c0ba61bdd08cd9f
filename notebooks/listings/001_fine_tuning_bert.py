"""Fine-tuning an encoder of BERT's kind.

Corrects 001: 60-77.

Wrong there: the network is an untrained bidirectional LSTM, yet line 80 calls it BERT, fine-tuned:
there is no BERT in it, and nothing pretrained. It answers once a word, as a tagger does; text
classification, the first use of §6, has one label a text. Thirteen names are never defined.
"""

import keras

from kerasllm import baselines, datasets, models, text

keras.utils.set_random_seed(7)
train, validation = datasets.load("spam_en"), datasets.load("spam_en", split="validation")
tokenizer = text.train_tokenizer(train.texts, "word", 1000)

# A Transformer in which every token sees all others. It is pretrained by filling gaps.
config = models.TransformerConfig(
    tokenizer.vocabulary_size, hidden_dim=32, num_layers=1, num_heads=2, max_length=32,
    causal=False, norm="post",
)  # fmt: skip
bert = models.TransformerBackbone(config)
gaps = models.MaskedLM(bert, preprocessor=models.MaskedPreprocessor(tokenizer, length=32))
gaps.compile("adam", run_eagerly=True)  # so few steps are not worth a graph
gaps.fit(train.texts, batch_size=160, epochs=2, verbose=0)
pretrained = bert.get_weights()

# Fine-tuning: the same layers, their features pooled to one vector a text, and a new head.
reading = models.ClassificationPreprocessor(tokenizer, train.labels, length=32)
model = models.TextClassifier(bert, dropout=0.1, preprocessor=reading)
assert all((a == b).all() for a, b in zip(model.backbone.get_weights(), pretrained, strict=True))
model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
history = model.fit(
    train.texts, train.labels_of, batch_size=64, epochs=3,
    validation_data=(validation.texts, validation.labels_of), verbose=0,
)  # fmt: skip

accuracy = history.history["val_accuracy"][-1]
linear = baselines.linear(train, validation).metrics["accuracy"]
print(f"{len(validation)} texts held out: right {accuracy:.0%}, a linear model {linear:.0%}")
assert model.output_shape == (None, 2)  # one answer a text
