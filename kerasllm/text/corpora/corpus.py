"""Corpora larger than memory: tokenised once into a memory-mapped array, then read from disk.

- The folder's name is a hash of text, tokenizer and settings: the same corpus is never tokenised
  twice, and a changed one never read by mistake.
- It is written under another name and renamed when complete: a killed run leaves no half corpus.
- Memory stays constant: the text is read in pieces, the tokens are appended to a file.
"""

import contextlib
import os
from pathlib import Path

import numpy as np

from kerasllm.text.corpora.streaming import check_file
from kerasllm.text.corpora.writer import (
    corpus_folder,
    corpus_settings,
    hash_source,
    show_progress,
    write_corpus,
)
from kerasllm.text.tokenizers.special import check_texts
from kerasllm.utils.json_text import read_object


class TokenCorpus:
    """One long row of token ids on disk, and where each document begins.

    Attributes:
        tokens: read-only memory map `(tokens,)`, uint16 (uint32 from 65,536 ids on).
        starts: read-only memory map `(documents,)`, int64: index of each document's first token.
        info: what it was made of: counts, hashes, settings.
        path: its folder.

    Example:
        >>> import tempfile
        >>> from kerasllm.text import train_tokenizer
        >>> texts = ["ab", "", "c"]
        >>> tokenizer = train_tokenizer(texts, "character")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     corpus = TokenCorpus.build(texts, tokenizer, folder, progress=False)
        ...     print(corpus.tokens.tolist(), corpus.starts.tolist())
        [6, 7, 3, 3, 8, 3] [0, 3, 4]
    """

    def __init__(self, path):
        self.path = Path(path)
        self.info = _read_info(self.path)
        shape = (self.info["tokens"],), (self.info["documents"],)
        self.tokens = np.memmap(self.path / "tokens.bin", self.info["dtype"], "r", shape=shape[0])
        self.starts = np.memmap(self.path / "starts.bin", "int64", "r", shape=shape[1])

    @classmethod
    def load(cls, path):
        """Open a corpus that `build` wrote.

        Raises:
            FileNotFoundError: no corpus there.
            ValueError: files are missing or have the wrong size.
        """
        return cls(path)

    @classmethod
    def build(
        cls,
        source,
        tokenizer,
        cache_dir,
        *,
        unit="line",
        cleaner=None,
        bos=False,
        eos=True,
        progress=True,
    ):
        """Tokenise a corpus, or open the one that was tokenised before.

        Args:
            source: path of a UTF-8 text file of any size, or an iterable of texts (a document
                each; a one-shot generator is hashed while it is tokenised).
            tokenizer: turns text into ids.
            cache_dir: folder for corpora; made if missing.
            unit: for a file: `line`, `document` (between empty lines) or `file`.
            cleaner: applied to each piece of text; not with `unit="file"`.
            bos: put the begin-of-text id in front of each document.
            eos: put the end-of-text id behind each document.
            progress: draw a progress bar.

        Raises:
            TypeError: `source` holds something else than strings.
            FileNotFoundError, ValueError: missing, empty or undecodable file; no token in it.
        """
        is_file = _check_source(source, unit, cleaner)
        settings = corpus_settings(tokenizer, unit if is_file else "text", cleaner, bos, eos)
        Path(cache_dir).mkdir(parents=True, exist_ok=True)
        text_hash = None
        if is_file or iter(source) is not source:  # it can be read twice: look before working
            text_hash = hash_source(source)
            path = corpus_folder(cache_dir, text_hash, settings)
            if path.is_dir():
                with contextlib.suppress(OSError):  # a disk that is only read
                    os.utime(path / "info.json")  # it is in use: see datasets.cache
                return cls(path)
        pieces = show_progress(source, unit, progress)
        return cls(write_corpus(pieces, tokenizer, Path(cache_dir), settings, cleaner, text_hash))

    def __len__(self):
        """Return the number of tokens."""
        return len(self.tokens)

    def document(self, index):
        """Return the token ids of one document."""
        count = len(self.starts)
        if not -count <= index < count:
            raise IndexError(f"expected a document below {count}, received {index}")
        index %= count
        end = self.starts[index + 1] if index + 1 < count else len(self.tokens)
        return self.tokens[self.starts[index] : end]

    def __repr__(self):
        return f"TokenCorpus(tokens={len(self):,}, documents={len(self.starts):,}, '{self.path}')"


def _check_source(source, unit, cleaner):
    """Tell whether the source is a file; refuse what is neither file nor texts."""
    if not isinstance(source, str | os.PathLike):
        check_texts(source, "source")
        return False
    check_file(source, unit)
    if cleaner and unit == "file":
        raise ValueError("expected no cleaner with unit='file'; use 'line' or 'document'")
    return True


def _read_info(path):
    """Read and check the description of a corpus."""
    if not (path / "info.json").is_file():
        raise FileNotFoundError(
            f"expected a tokenised corpus in '{path}', found no info.json there; make one with "
            f"TokenCorpus.build"
        )
    try:
        info = read_object(path / "info.json")
        if info["dtype"] not in ("uint16", "uint32"):
            raise TypeError(f"tokens are no {info['dtype']}")
        sizes = info["tokens"] * np.dtype(info["dtype"]).itemsize, info["documents"] * 8
        found = tuple((path / name).stat().st_size for name in ("tokens.bin", "starts.bin"))
    except (ValueError, KeyError, TypeError, OSError) as error:
        sizes, found = error, None
    if sizes != found:
        raise ValueError(
            f"expected a complete corpus in '{path}', received a damaged one (sizes {sizes}, found "
            f"{found}); delete that folder and build it again"
        )
    return info
