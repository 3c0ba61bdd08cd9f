"""One training script an application, with the settings that its figure was reached with.

    quickstart        bare text to a classifier, in minutes, without network
    character_lm      characters of Shakespeare                      (GPT)
    word_lm           words of the Penn Treebank                     (LSTM)
    classification    sentiment and topics, English and Chinese      (LSTM, or an encoder)
    spam              unwanted messages, five folds                  (LSTM, or an encoder)
    entities          names and slots in sentences                   (BiLSTM-CRF, or an encoder)
    pairs             commands, logical forms, translation           (encoder-decoders)
    pretraining_pays  from scratch and pretrained, 100 and 1,000 labels  (LSTM)
    answers           answers found in a text                        (an encoder)

Each is run with `python -m kerasllm.recipes.NAME`, goes on where it was cut off, and ends with the
row that `docs/results.md` shows; `--share 0.1` does a tenth of the steps.
"""
