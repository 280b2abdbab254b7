"""Stage `vocabulary`: the pieces that the languages need, and no others.

XLM-R's 250,002 pieces serve a hundred languages. Kept are: the special tokens, every single character of the scripts in
use (of the rare ones so many as fit into a fifth), and the pieces that occur most in word lists (wordfreq) and in the
training and unlabelled texts, each language counting alike. A word whose piece is gone falls apart into smaller ones.
"""

import json
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from wordfreq import get_frequency_dict

from .data import find, read_parallel, read_rows
from .labels import LANGUAGES

SIZE = 96_000
#: The largest part of the pieces that single characters are kept for unseen.
CHARACTERS = 0.2
WORDS = 80_000
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")
WORD = "▁"


def count_texts(tokenizer: Tokenizer, texts: list[str], weights: list[float], counts: Counter) -> None:
    """Adds the weighted number of occurrences of each piece id."""
    for start in range(0, len(texts), 20_000):
        batch = tokenizer.encode_batch_fast(texts[start : start + 20_000], add_special_tokens=False)
        for encoding, weight in zip(batch, weights[start : start + 20_000]):
            for piece in encoding.ids:
                counts[piece] += weight


def word_counts(tokenizer: Tokenizer, language: str) -> Counter:
    """Piece frequencies by the word list of a language, words as listed and capitalised."""
    counts: Counter = Counter()
    words = sorted(get_frequency_dict(language, "best").items(), key=lambda item: -item[1])[:WORDS]
    count_texts(tokenizer, [word for word, _ in words], [frequency for _, frequency in words], counts)
    capitalised = [(word.capitalize(), frequency / 4) for word, frequency in words if word.capitalize() != word]
    count_texts(tokenizer, [word for word, _ in capitalised], [frequency for _, frequency in capitalised], counts)
    return counts


def text_counts(tokenizer: Tokenizer, data: Path) -> dict[str, Counter]:
    """Piece counts a language in the training rows and the unlabelled sentences."""
    texts: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for row in read_rows(find(data, "train")):
        texts.setdefault(row.lang, []).append(row.text)
    for sentence in read_parallel(find(data, "unlabelled")):
        for language, text in sentence.items():
            if language in texts:
                texts[language].append(text)
    counts = {}
    for language, own in texts.items():
        counts[language] = Counter()
        count_texts(tokenizer, own, [1.0] * len(own), counts[language])
    return counts


def is_needed_character(piece: str) -> bool:
    """A single character of one of our scripts, or one that belongs to no script (digits, signs, emoji, marks)."""
    bare = piece.removeprefix(WORD)
    if len(bare) != 1:
        return piece == WORD
    name = unicodedata.name(bare, "")
    return name.startswith(SCRIPTS) or not unicodedata.category(bare).startswith("L")


def choose(pieces: list[str], words: list[Counter], texts: list[Counter], size: int) -> list[int]:
    """The ids to keep, ascending. A piece's worth is its share of a language's tokens, of the language that needs it most,
    by word list or by text (texts count a fourth, since they are small and of one kind)."""
    worth = np.zeros(len(pieces))
    for factor, group in ((1.0, words), (0.25, texts)):
        for counts in group:
            total = sum(counts.values()) or 1.0
            for piece, count in counts.items():
                worth[piece] = max(worth[piece], factor * count / total)
    characters = [i for i, piece in enumerate(pieces) if piece not in SPECIAL and is_needed_character(piece)]
    characters.sort(key=lambda i: -worth[i])
    worth[characters[: int(CHARACTERS * size)]] = np.inf
    worth[[pieces.index(piece) for piece in SPECIAL]] = np.inf
    best = np.argsort(-worth, kind="stable")[:size]
    return sorted(int(i) for i in best if worth[i] > 0)


def trim_tokenizer(source: dict, keep: list[int]) -> dict:
    """tokenizer.json with only the pieces `keep`, numbered anew."""
    out = json.loads(json.dumps(source))
    vocabulary = source["model"]["vocab"]
    out["model"]["vocab"] = [[vocabulary[i][0], float(f"{vocabulary[i][1]:.6g}")] for i in keep]
    new = {old: number for number, old in enumerate(keep)}
    out["model"]["unk_id"] = new[source["model"]["unk_id"]]
    for token in out["added_tokens"]:
        token["id"] = new[token["id"]]
    for token in out["post_processor"]["special_tokens"].values():
        token["ids"] = [new[i] for i in token["ids"]]
    return out


def trim(work: Path, data: Path, size: int = SIZE, name: str = "trimmed") -> Path:
    """Writes `work/NAME`: the base with the smaller vocabulary, and a tokenizer.json to it."""
    base, out = work / "base", work / name
    if (out / "model.safetensors").exists():
        return out
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    source = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    words = []
    for language in LANGUAGES:
        words.append(word_counts(tokenizer, language))
        print(f"vocabulary: {language}: {len(words[-1]):,} pieces in the word list", flush=True)
    texts = text_counts(tokenizer, data)
    keep = choose([piece for piece, _ in source["model"]["vocab"]], words, list(texts.values()), size)
    trimmed = Tokenizer.from_str(json.dumps(trim_tokenizer(source, keep)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(trimmed.to_str(pretty=False), encoding="utf-8")
    tensors = load_file(base / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    tensors[name] = tensors[name][torch.tensor(keep)].contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    config |= {"vocab_size": len(keep), "pad_token_id": keep.index(1)}
    (out / "config.json").write_text(json.dumps(config, indent=2))
    report(tokenizer, trimmed, data)
    return out


def report(full: Tokenizer, trimmed: Tokenizer, data: Path) -> None:
    """Prints how many more tokens the development texts take."""
    rows = read_rows(find(data, "dev"))
    for language in [*LANGUAGES, None]:
        texts = [row.text for row in rows if language in (row.lang, None)]
        if not texts:
            continue
        before = sum(len(e.ids) for e in full.encode_batch_fast(texts))
        after = sum(len(e.ids) for e in trimmed.encode_batch_fast(texts))
        unknown = sum(e.ids.count(3) for e in trimmed.encode_batch_fast(texts))
        print(f"vocabulary: {language or 'all'}: {before:,} -> {after:,} tokens ({after / before - 1:+.1%}), {unknown} unknown")
