"""The keyword baseline: `keywords.txt` as a classifier."""

import re
from pathlib import Path

import numpy as np

from .data import Row
from .labels import LABELS

UNSPACED = {"zh", "ja"}


def patterns(path: Path = Path(__file__).with_name("keywords.txt")) -> dict[tuple[str, str], re.Pattern]:
    """(language, label) -> what finds one of its cues."""
    out = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            language, label, cues = line.split(" ", 2)
            choice = "|".join(re.escape(cue) for cue in cues.split(", "))
            out[language, label] = re.compile(choice if language in UNSPACED else rf"\b(?:{choice})", re.IGNORECASE)
    return out


def decide(rows: list[Row]) -> np.ndarray:
    """bool [rows, labels]."""
    cues = patterns()
    none = re.compile(r"(?!)")
    return np.array([[bool(cues.get((row.lang, label), none).search(row.text)) for label in LABELS] for row in rows])
