"""Labels of unlabelled sentences, made after the data folder: `annotations.tsv.gz`.

The file holds no text. A line is `KEY<TAB>LABELS<TAB>UNSURE`: the key of a sentence of `unlabelled` (the English one, or the first
by the code of its language), and letters of labels (`CODES`; nothing for none). They hold for all translations of the sentence. A person who
rebuilds `unlabelled` from its public sources gets the same keys; sentences without a line stay unlabelled, lines without a sentence are skipped.
"""

import gzip
import hashlib
from pathlib import Path

from .data import Row, find, read_parallel, read_rows
from .labels import LABELS, LANGUAGES

FILE = Path(__file__).with_name("annotations.tsv.gz")
CODES = dict(zip("SCRKAJT", LABELS))


def key_of(text: str) -> str:
    """Twelve hexadecimal digits of the words of a sentence; white space does not count."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def annotated_rows(data: Path) -> list[Row]:
    """The annotated sentences of `unlabelled` in all their languages; a group is a sentence."""
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        known = {key: (labels, unsure) for key, labels, unsure in (line.rstrip("\n").split("\t") for line in file)}
    rows = []
    for sentence in read_parallel(find(data, "unlabelled")):
        key = key_of(sentence.get("en") or sentence[min(sentence)])
        if key not in known:
            continue
        # Taken out, for a sentence may stand twice.
        labels, unsure = (tuple(CODES[code] for code in codes) for codes in known.pop(key))
        rows += [Row(f"{key}.{code}", key, "news", code, text, labels, unsure) for code, text in sentence.items() if code in LANGUAGES]
    return rows


def training_rows(data: Path) -> list[Row]:
    """All that a model learns from: `train`, further files `train-NAME`, and the annotated sentences."""
    rows = read_rows(find(data, "train"))
    for folder in (data, data / "stance"):
        for path in sorted(folder.glob("train-*.jsonl*")):
            rows += read_rows(path)
    return rows + annotated_rows(data)
