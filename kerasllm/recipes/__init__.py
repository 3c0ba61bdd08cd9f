"""One training script an application, with the settings that its figure was reached with.

    quickstart        bare text to a classifier, in minutes, without network
    news              topics of reports and titles, English and Chinese
    sentiment         praise and blame, English and Chinese
    spam              unwanted messages, English and Chinese, five folds
    entities          names in sentences, English, Chinese, Spanish and Dutch
    slots             what is wanted, and where and when, by one model
    parsing           commands, logical forms, SQL that is executed
    translation       German, French, Spanish, Chinese
    summaries         headlines, sentences for abstracts, Chinese titles
    answers           questions on a text, and on a story
    instructions      a real language model that learns how to answer      (SmolLM2)
    dialogue          bookings; small talk, with a chat
    generation        Shakespeare; Chinese poems in their form
    transfer          from one kind of reviews to another, twelve times
    low_resource      a language with little text
    long_documents    cut, in windows, or as a sequence of windows
    character_lm      characters of Shakespeare                      (GPT)
    word_lm           words of the Penn Treebank                     (LSTM)
    pretraining_pays  from scratch and pretrained, 100 and 1,000 labels

Each is `kerasllm recipe NAME`, or `python -m kerasllm.recipes.NAME`, goes on where it was cut off,
and ends with its row; `--share 0.1` does a tenth of the steps, `--fast` shows in seconds that all
of it runs. What they share is in `shared`.
"""
