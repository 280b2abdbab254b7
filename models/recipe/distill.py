"""Stage `distill`: a student learns a teacher's probabilities beside the labels.

The teacher is a finished run (of more layers, say). It reads one translation of every labelled sentence and of a part of the
unlabelled ones, English where there is one, and what it says holds for all translations: so the student also learns to say
the same in every language. Of the unlabelled sentences, those in which the teacher sees a stance are kept, and some of the others.
"""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from .annotations import training_rows
from .data import Row, by_group, find, read_parallel
from .labels import LANGUAGES
from .train import Settings, autocast, predict, run_settings, train, trained

#: From this probability of any label on, an unlabelled sentence is worth learning from; of the others, a part is kept.
TELLING, DULL = 0.08, 0.25


def unlabelled_rows(data: Path, count: int, labelled: list[Row], seed: int = 3) -> list[Row]:
    """`count` unlabelled sentences in all their languages, as rows without labels whose labels are all unsure. Those that
    are among the labelled rows are left out."""
    known = {row.text for row in labelled}
    sentences = [(n, one) for n, one in enumerate(read_parallel(find(data, "unlabelled"))) if known.isdisjoint(one.values())]
    rows = []
    for number, sentence in random.Random(seed).sample(sentences, min(count, len(sentences))):
        rows += [Row.unlabelled(f"U{number}", code, text) for code, text in sentence.items() if code in LANGUAGES]
    return rows


def soft_labels(work: Path, teacher: str, rows: list[Row]) -> dict[str, list[float]]:
    """Group -> the teacher's probabilities [labels]; kept in the teacher's folder once made."""
    cache = work / "runs" / teacher / "soft.npz"
    if not cache.exists():
        groups = by_group(rows)
        english = (max(members, key=lambda row: row.lang == "en") for members in groups.values())
        tokenizer = Tokenizer.from_file(str(work / run_settings(work / "runs" / teacher).base / "tokenizer.json"))
        with autocast():
            texts = [row.text for row in english]
            logits = predict(trained(work, teacher), tokenizer, texts, limit=160, show=True)
        np.savez(cache, groups=list(groups), p=1 / (1 + np.exp(-logits)))
    saved = np.load(cache)
    return dict(zip(saved["groups"].tolist(), saved["p"].tolist()))


def telling(rows: list[Row], soft: dict[str, list[float]], seed: int = 4) -> list[Row]:
    """The groups in which the teacher sees something, and a part of the others."""
    chance = random.Random(seed)
    groups = by_group(rows)
    kept = [group for group in groups if max(soft[group]) >= TELLING or chance.random() < DULL]
    print(f"distill: {len(kept)} of {len(groups)} unlabelled sentences are kept")
    return [row for group in kept for row in groups[group]]


def distill(data: Path, work: Path, settings: Settings, teacher: str) -> Path:
    """Trains `settings.name` on labels and soft labels."""
    labelled = training_rows(data)
    more = unlabelled_rows(data, settings.unlabelled, labelled)
    soft = soft_labels(work, teacher, labelled + more)
    return train(data, work, replace(settings, teacher=teacher), labelled + telling(more, soft), soft)
