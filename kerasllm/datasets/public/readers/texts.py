"""Readers of public sets: the files of one split in, a list of examples out. One a format."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

from kerasllm.datasets.examples import Labelled, Text
from kerasllm.utils.errors import nearest


class OptionError(ValueError):
    """An option of a reader that does not exist: it says nothing about the files."""


def one_of(name, value, known):
    """Refuse an option's value that is not known, with the nearest one."""
    if value not in known:
        raise OptionError(
            f"{name} must be one of {list(known)}, received {value!r}.{nearest(value, known)}"
        )


def _lines(path):
    # str.splitlines would also cut at form feeds and other marks inside a text.
    return Path(path).read_text("utf-8").removesuffix("\n").split("\n")


def whole_texts(*paths):
    """Read each file as one text."""
    return [Text(Path(path).read_text("utf-8")) for path in paths]


def line_texts(*paths):
    """Read each line as one text (Penn Treebank)."""
    return [Text(line.strip()) for path in paths for line in _lines(path) if line.strip()]


def articles(*paths):
    """Read WikiText: an article from each heading ` = Title = ` to the next, line by line."""
    heading = re.compile(r" = [^=].*[^=] = |  = . = ")
    found = []
    for path in paths:
        lines = _lines(path)
        for number, line in enumerate(lines):
            blank_around = not "".join(lines[max(number - 1, 0) : number + 2 : 2]).strip()
            if not found or (heading.fullmatch(line) and blank_around):
                found.append([])
            found[-1].append(line.strip())
    texts = ("\n".join(lines).strip() for lines in found)
    return [Text(text) for text in texts if text]


def table(*paths, text, label, names=None, delimiter=",", header=False, encoding="utf-8"):
    """Read delimited rows as labelled texts.

    Args:
        *paths: files.
        text: position of the column of the text, or several to be joined by a blank.
        label: position of the column of the label.
        names: dict from the label in the file to the class name; left out: the label itself.
        delimiter: "," reads quotes, a tab takes them as characters of the text.
        header: whether the first line names the columns.
        encoding: of the files.
    """
    columns = (text,) if isinstance(text, int) else text
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    examples = []
    for path in paths:
        content = io.StringIO(Path(path).read_text(encoding), newline="\n")
        rows = list(csv.reader(content, delimiter=delimiter, quoting=quoting))[int(header) :]
        for row in rows:
            joined = " ".join(row[column].strip() for column in columns).strip()
            if joined:
                examples.append(Labelled(joined, names[row[label]] if names else row[label]))
    return examples


_REVIEW = re.compile(r"<review>(.*?)</review>", re.DOTALL)
DOMAINS = ("books", "dvd", "electronics", "kitchen_&_housewares")


def product_reviews(*paths, domain=None, title=False):
    """Read the blocks `<review>` of the multi-domain set; the label is the file's name.

    Args:
        *paths: files `<domain>/positive.review` and `<domain>/negative.review`.
        domain: one of `DOMAINS`, or "kitchen"; left out: all.
        title: put the title of the review before its text.
    """
    domain = "kitchen_&_housewares" if domain == "kitchen" else domain
    one_of("domain", domain, (None, *DOMAINS))
    examples = []
    for path in map(Path, paths):
        if domain in (None, path.parent.name):
            for block in _REVIEW.findall(path.read_text("utf-8", errors="replace")):
                fields = ["title", "review_text"] if title else ["review_text"]
                text = "\n".join(_element(block, name) for name in fields).strip()
                examples.append(Labelled(text, path.stem))
    return examples


def _element(block, name):
    found = re.search(f"<{name}>(.*?)</{name}>", block, re.DOTALL)
    return found[1].strip() if found else ""


POETRY = {
    "tang": "poet.tang", "tang300": "唐诗三百首", "song300": "宋词三百首", "shijing": "shijing",
    "chuci": "chuci", "lunyu": "lunyu", "shuimo": "shuimotangshi",
}  # fmt: skip


def poems(*paths, part="tang", title=True):
    """Read poems, a line of verse a line.

    Args:
        *paths: json files of the collection.
        part: one of `POETRY`; all Tang files are in traditional characters.
        title: put the title of the poem in a line before it.
    """
    one_of("part", part, POETRY)
    wanted = [path for path in paths if Path(path).name.startswith(POETRY[part])]
    examples = []
    for path in wanted:
        for poem in json.loads(Path(path).read_text("utf-8")):
            verses = poem.get("paragraphs") or poem.get("content") or []
            names = [poem.get("title") or poem.get("rhythmic") or poem.get("chapter")]
            lines = [*(names if title else []), *verses]
            if verses:
                examples.append(Text("\n".join(line.strip() for line in lines if line)))
    return examples


def nltk_texts(corpus):
    """Read each document of an NLTK corpus as one text, as it is written."""
    return [Text(corpus.raw(document).strip()) for document in corpus.fileids()]


def nltk_sentences(corpus):
    """Read each document as one text of tokens joined by blanks, a sentence a line."""
    documents = (corpus.sents(document) for document in corpus.fileids())
    return [Text("\n".join(" ".join(tokens) for tokens in document)) for document in documents]


def nltk_languages(corpus, *, languages="eng"):
    """Read a text in some of the languages that it was translated into.

    Args:
        corpus: an NLTK corpus with a file a language.
        languages: codes of ISO 639-3, as the files are called, with commas between them.
    """
    known = {name.removesuffix(".txt"): name for name in corpus.fileids()}
    wanted = [code.strip() for code in languages.split(",")]
    for code in wanted:
        one_of("languages", code, known)
    texts = _raw_texts(corpus, [known[code] for code in wanted])
    return [Text("\n".join(line.strip() for line in text.splitlines())) for text in texts]


def nltk_categories(corpus):
    """Read each document of an NLTK corpus, as it is written, with its category as the label."""
    documents = corpus.fileids()
    texts = zip(documents, _raw_texts(corpus, documents), strict=True)
    return [Labelled(text.strip(), corpus.categories(name)[0]) for name, text in texts]


def shopping_reviews(path, *, label="sentiment", category=None):
    """Read reviews of ten kinds of goods from a zip with one csv file.

    Args:
        path: zip file.
        label: "sentiment" or "category".
        category: keep the reviews of one kind of goods; left out: all.
    """
    columns = {"category": "cat", "sentiment": "label"}
    one_of("label", label, columns)
    with zipfile.ZipFile(path) as archive:
        content = archive.read(archive.namelist()[0]).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline="\n")))
    known = sorted({row["cat"] for row in rows})
    one_of("category", category, (None, *known))
    signs = {"0": "negative", "1": "positive"}
    return [
        Labelled(text, signs.get(row[columns[label]], row[columns[label]]))
        for row in rows
        if category in (None, row["cat"]) and (text := row["review"].strip("\ufeff \r\n\t"))
    ]


def nltk_sentence_categories(corpus):
    """Read each sentence of an NLTK corpus, its tokens joined by blanks, with its category."""
    return [
        Labelled(" ".join(tokens), category)
        for category in corpus.categories()
        for tokens in corpus.sents(categories=category)
    ]


def nltk_chat_acts(corpus):
    """Read each post of NPS Chat with its dialogue act; a post without words is left out."""
    posts = [(post.text, post.get("class")) for post in corpus.xml_posts()]
    return [Labelled(text.strip(), act) for text, act in posts if text and text.strip()]


def nltk_topics(corpus, part):
    """Read the documents `part/...` of Reuters; the topics of a document are joined by "|"."""
    documents = [name for name in corpus.fileids() if name.startswith(part + "/")]
    texts = _raw_texts(corpus, documents)
    examples = [
        Labelled(text.strip(), "|".join(sorted(corpus.categories(name))))
        for name, text in zip(documents, texts, strict=True)
    ]
    return examples, {"label_separator": "|"}


def _raw_texts(corpus, documents):
    """Return `corpus.raw` of many documents: NLTK itself opens its zip anew for each, slowly."""
    archive = getattr(corpus.root, "zipfile", None)
    if archive is None:
        return [corpus.raw(name) for name in documents]
    with zipfile.ZipFile(archive.filename) as opened:
        names = [corpus.root.join(name).entry for name in documents]
        contents = [opened.read(name) for name in names]
    pairs = zip(documents, contents, strict=True)
    return [content.decode(corpus.encoding(name) or "utf-8") for name, content in pairs]
