"""Write the six labelled sets of this folder from the hand-written material beside this script.

    python data/generate.py            # rewrites sentiment_en.csv ... spam_zh.csv, byte for byte
    python data/generate.py --check    # prints size, balance and baselines of each set

A set is every whole text of its class, then texts composed from templates until the class is full.
A seventh of all is written carelessly (a typo, no capitals, no full stop), some of the composed
ones fill two templates. Everything that is random comes from `SEED`.
"""

import argparse
import csv
import io
import re
import unicodedata
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20240607
SIZES = {  # texts of each class
    "sentiment": {"positive": 250, "negative": 250},
    "topic": dict.fromkeys(("sport", "cooking", "computing", "travel", "health", "finance"), 80),
    "spam": {"spam": 120, "ham": 280},
}
NAMES = [f"{kind}_{language}" for kind in SIZES for language in ("en", "zh")]
LONGEST = 60  # words; a Chinese character counts as two thirds of a word
SLIPS = {  # what is written for what, in Chinese
    "(?<=[累快写看听睡吃讲长好分静赶])得": "的",
    "再": "在", "做": "作", "哪": "那", "已": "以", "像": "象", "账": "帐",
}  # fmt: skip


def read_material(name):
    """Return {section: its lines}; the line "-" stands for an empty text."""
    sections, lines = {}, []
    for line in (HERE / f"material_{name}.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            lines = sections.setdefault(heading[1], [])
        elif line.strip() and not line.startswith("#"):
            lines.append("" if line == "-" else line)
    return sections


def normalised(text):
    """Return the letters and digits alone, in one case: what two duplicates have in common."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def words_in(text):
    """Count words, a Chinese character as two thirds of one."""
    chinese = len(re.findall(r"[\u4e00-\u9fff]", text))
    return len(re.findall(r"[A-Za-z0-9'’]+", text)) + round(chinese * 2 / 3)


class Writer:
    """Composes texts of one set from its material."""

    def __init__(self, name):
        self.kind, self.language = name.split("_")
        self.material = read_material(name)
        self.labels = SIZES[self.kind]
        self.rng = np.random.default_rng((SEED, NAMES.index(name)))
        self.subjects = [s[:-1] for s in self.material if s.endswith("+")]

    def pick(self, options):
        """Choose one at random."""
        return options[self.rng.integers(len(options))]

    def compose(self, label, templates=1):
        """Fill templates: no slot line twice, one subject for all of their {+} and {-}."""
        subject = self.pick(self.subjects) if self.subjects else ""
        used = set()

        def fill(match):
            slot = match[1]
            if slot == "other":
                options = self.material[
                    f"{self.pick([x for x in self.labels if x != label])}.other"
                ]
            elif slot in "+-":
                options = self.material[subject + slot]
            else:
                places = (f"{label}.{slot}", f"{subject}.{slot}", slot)
                options = next(self.material[place] for place in places if place in self.material)
            # A slot of few lines, such as what a subject is called, may say the same again.
            line = self.pick([option for option in options if option not in used] or options)
            used.add(line)
            return line

        own = self.material.get(f"{label}.templates") or self.material["templates"]
        chosen = [self.pick(own) for _ in range(templates)]
        space = " " if self.language == "en" else ""
        return space.join(self.tidy(re.sub(r"\{(.+?)\}", fill, text)) for text in chosen)

    def tidy(self, text):
        """Mend spaces and stops around empty slots; start English sentences with a capital."""
        text = re.sub(r"\s+", " ", text).strip()
        text = re.sub(r"([.?!。？！])\s?[,.，。]+", r"\1", text).lstrip(",，.。 ")
        if self.language == "zh":
            return text
        text = text if text[-1] in ".?!" or "example" in text[-30:] else f"{text}."
        return re.sub(r"(^|[.?!] )([a-z])", lambda m: m[1] + m[2].upper(), text)

    def careless(self, text):
        """Write the text as one does in a hurry."""
        if self.language == "zh":
            wrong = [right for right in SLIPS if re.search(right, text)]
            if wrong and self.rng.random() < 0.5:
                slip = self.pick(wrong)
                return re.sub(slip, SLIPS[slip], text, count=1)
            bare = text.rstrip("。")
            return re.sub("[，。 ]+", " ", bare).strip() if self.rng.random() < 0.5 else bare
        style = self.rng.integers(3)
        if style == 0:
            return text.lower().rstrip(".")
        if style == 1:
            return re.sub(r"[,'’]", "", text)
        return self.typo(text)

    def typo(self, text):
        """Swap two neighbouring letters inside one longer word."""
        words = text.split(" ")
        long = [place for place, word in enumerate(words) if word.isalpha() and len(word) > 4]
        if long:
            place = self.pick(long)
            word, cut = words[place], int(self.rng.integers(1, len(words[place]) - 2))
            words[place] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
        return " ".join(words)

    def rows(self):
        """Return shuffled (text, label) rows without duplicates."""
        seen, rows = set(), []
        for label, size in self.labels.items():
            texts = self.class_texts(label, size, seen)
            rows.extend((text, label) for text in texts)
        return [rows[place] for place in self.rng.permutation(len(rows))]

    def class_texts(self, label, size, seen):
        """Return the texts of one class: some alone, some joined, some careless."""
        whole = [self.material[label][i] for i in self.rng.permutation(len(self.material[label]))]
        texts = []
        while len(texts) < size:
            joins = self.kind != "spam" and self.rng.random() < 0.15
            text = whole.pop() if whole else self.compose(label, templates=1 + joins)
            if self.rng.random() < 0.15:
                text = self.careless(text)
            if normalised(text) not in seen and words_in(text) <= LONGEST:
                seen.add(normalised(text))
                texts.append(text)
        return texts


def csv_text(name):
    """Return the whole csv file of one set."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(Writer(name).rows())
    return stream.getvalue()


def read_rows(name):
    """Return texts and labels of one csv file."""
    with open(HERE / f"{name}.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def vectorizer(language, **options):
    """Count words and pairs of them, or one to three Chinese characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if language == "zh":
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, **options)
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **options)


def one_word_accuracy(texts, labels, language):
    """Return (accuracy, word) of the best rule "this class if the word is in it, else that one"."""
    counter = vectorizer(language, binary=True, use_idf=False, norm=None, min_df=2)
    present = counter.fit_transform(texts).astype(bool)
    classes, ids = np.unique(labels, return_inverse=True)
    hot = np.eye(len(classes))[ids]  # (texts, classes)
    with_word = present.T.astype(float) @ hot  # (words, classes)
    right = with_word.max(1) + (hot.sum(0) - with_word).max(1)
    return right.max() / len(texts), counter.get_feature_names_out()[right.argmax()]


def linear_accuracy(texts, labels, language, shuffle_labels=False):
    """Return the 5 fold accuracies of TF-IDF and logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    if shuffle_labels:
        labels = np.random.default_rng(SEED).permutation(labels)
    model = make_pipeline(vectorizer(language), LogisticRegression(C=10, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_score(model, texts, labels, cv=folds)


def check():
    """Print what README.md tells about each set."""
    print("| set | texts | classes | majority | best one-word rule | linear, 5 folds | shuffled |")
    print("|---|---|---|---|---|---|---|")
    for name in NAMES:
        texts, labels = read_rows(name)
        language = name[-2:]
        sizes = np.unique(labels, return_counts=True)[1]
        rule, word = one_word_accuracy(texts, labels, language)
        folds = linear_accuracy(texts, labels, language)
        chance = linear_accuracy(texts, labels, language, shuffle_labels=True)
        print(
            f"| {name} | {len(texts)} | {len(sizes)} | {sizes.max() / sizes.sum():.3f} "
            f"| {rule:.3f} ({word.strip()}) | {folds.mean():.3f} ± {folds.std(ddof=1):.3f} "
            f"| {chance.mean():.3f} |"
        )


def main():
    """Write the files, or describe them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="print figures, write nothing")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to")
    options = parser.parse_args()
    if options.check:
        check()
        return
    for name in NAMES:
        text = csv_text(name)
        (options.output / f"{name}.csv").write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}.csv: {len(text.splitlines()) - 1} texts")


if __name__ == "__main__":
    main()
