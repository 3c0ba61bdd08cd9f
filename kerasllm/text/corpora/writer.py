"""Writing a token corpus: pieces of text in, two files of fixed-size numbers out."""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from itertools import chain
from pathlib import Path

import numpy as np

from kerasllm.text.corpora.streaming import read_pieces, text_pieces
from kerasllm.utils.files import part_of, sha256, to_disk
from kerasllm.utils.terminal import console

VERSION = 1
BATCH = 1 << 18  # characters that are tokenised at once


def corpus_settings(tokenizer, unit, cleaner, bos, eos):
    """Return all that decides, beside the text, which tokens are written."""
    return {
        "version": VERSION,
        "tokenizer": tokenizer.fingerprint,
        "unit": unit,
        "cleaner": repr(cleaner),
        "bos": bos,
        "eos": eos,
    }


def corpus_folder(cache_dir, text_hash, settings):
    """Return the folder of a corpus, named by a hash of what it is made of."""
    key = json.dumps({"text": text_hash, **settings}, sort_keys=True)
    return Path(cache_dir) / f"corpus-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def hash_source(source):
    """Hash a file or texts, without holding them in memory."""
    if isinstance(source, str | os.PathLike):
        return sha256(source)
    digest = hashlib.sha256()
    for piece in text_pieces(source):
        _hash_piece(digest, piece)
    return digest.hexdigest()


def _hash_piece(digest, piece):
    text, ends = piece
    digest.update(text.encode())
    if ends:
        digest.update(b"\xff")  # no byte of UTF-8, so documents cannot run into each other


def show_progress(source, unit, progress):
    """Read the pieces of the source, drawing a progress bar."""
    from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

    is_file = isinstance(source, str | os.PathLike)
    total = os.path.getsize(source) if is_file else getattr(source, "__len__", lambda: None)()
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn())
    screen = console(error=True)
    with Progress(*columns, console=screen, disable=not progress, transient=True) as bar:
        task = bar.add_task("Tokenising", total=total)
        pieces = read_pieces(source, unit) if is_file else text_pieces(source)
        for text, ends in pieces:
            yield text, ends
            bar.advance(task, len(text.encode()) + 1 if is_file else int(ends))


class _Writer:
    """Appends the tokens of documents to two files."""

    def __init__(self, folder, tokenizer, bos, eos):
        self.dtype = "uint16" if tokenizer.vocabulary_size < 2**16 else "uint32"
        self.tokens = self.documents = 0
        self._before, self._after = [tokenizer.bos_id] * bos, [tokenizer.eos_id] * eos
        self._files = [(folder / name).open("wb") for name in ("tokens.bin", "starts.bin")]
        self._inside = False  # of a document

    def write(self, rows, ends):
        """Append the ids of pieces."""
        parts, starts = [], []
        for row, end in zip(rows, ends, strict=True):
            if not self._inside:
                starts.append(self.tokens)
                row = self._before + row
            row = row + self._after if end else row
            self._inside = not end
            self.tokens += len(row)
            parts.append(row)
        self.documents += len(starts)
        self._files[0].write(np.array(list(chain(*parts)), self.dtype).tobytes())
        self._files[1].write(np.array(starts, "int64").tobytes())

    def close(self):
        """Close both files."""
        for file in self._files:
            file.close()


def write_corpus(pieces, tokenizer, cache_dir, settings, cleaner, text_hash):
    """Tokenise into a folder with another name, then rename it."""
    digest = hashlib.sha256()
    partial = part_of(cache_dir / uuid.uuid4().hex)
    partial.mkdir()
    try:
        writer = _Writer(partial, tokenizer, settings["bos"], settings["eos"])
        with contextlib.closing(writer):
            for batch in _batches(pieces):
                if text_hash is None:
                    for piece in batch:
                        _hash_piece(digest, piece)
                texts = [cleaner(text) if cleaner else text for text, _ in batch]
                writer.write(tokenizer.encode_batch(texts), [ends for _, ends in batch])
        return _finish(partial, writer, settings, text_hash or digest.hexdigest())
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _finish(partial, writer, settings, text_hash):
    if writer.tokens == 0:
        raise ValueError("expected text to tokenise, received none; check the source")
    counts = {"tokens": writer.tokens, "documents": writer.documents, "dtype": writer.dtype}
    info = {**settings, "text": text_hash, **counts}
    (partial / "info.json").write_text(json.dumps(info, indent=1), "utf-8")
    for name in ("tokens.bin", "starts.bin", "info.json"):
        to_disk(partial / name)
    path = corpus_folder(partial.parent, text_hash, settings)
    try:
        partial.rename(path)
    except OSError:
        if not path.is_dir():  # else another process finished the same corpus first
            raise
    return path


def _batches(pieces):
    batch, size = [], 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[0]) + 1
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
