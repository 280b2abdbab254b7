"""Stage `distill`: a student learns a teacher's probabilities beside the labels.

The teacher is a finished run (of more layers, say). Its probabilities for a sentence are those of the mean of its logits over
the sentence's translations, so the student is also told to say the same in every language. Unlabelled sentences join the
labelled ones.
"""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from .data import Row, find, read_parallel, read_rows
from .labels import LANGUAGES
from .train import Settings, predict, train, trained

#: Translations of one unlabelled sentence that the teacher reads.
VOICES = 3


def unlabelled_rows(data: Path, seed: int = 3) -> list[Row]:
    """Every unlabelled sentence in up to `VOICES` of its languages, as rows without labels whose labels are all unsure."""
    chance = random.Random(seed)
    rows = []
    for number, sentence in enumerate(read_parallel(find(data, "unlabelled"))):
        known = [language for language in sentence if language in LANGUAGES]
        for language in chance.sample(known, min(VOICES, len(known))):
            rows.append(Row.unlabelled(f"U{number}", language, sentence[language]))
    return rows


def soft_labels(work: Path, teacher: str, rows: list[Row]) -> dict[str, list[float]]:
    """Group -> the teacher's probabilities [labels]; kept in the teacher's folder once made."""
    folder = work / "runs" / teacher
    cache = folder / "soft.npz"
    if not cache.exists():
        model = trained(work, teacher)
        tokenizer = Tokenizer.from_file(str(work / "trimmed" / "tokenizer.json"))
        logits = predict(model, tokenizer, [row.text for row in rows], limit=160, show=True)
        groups, number = np.unique([row.group for row in rows], return_inverse=True)
        total = np.zeros((len(groups), logits.shape[1]))
        np.add.at(total, number, logits)
        mean = total / np.bincount(number)[:, None]
        np.savez(cache, groups=groups, p=1 / (1 + np.exp(-mean)))
    saved = np.load(cache)
    return dict(zip(saved["groups"].tolist(), saved["p"].tolist()))


def distill(data: Path, work: Path, settings: Settings, teacher: str) -> Path:
    """Trains `settings.name` on labels and soft labels."""
    labelled, more = read_rows(find(data, "train")), unlabelled_rows(data)
    soft = soft_labels(work, teacher, labelled + more)
    return train(data, work, replace(settings, teacher=teacher), labelled + more, soft)
