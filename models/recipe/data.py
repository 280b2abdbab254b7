"""Reading the data folder, and drawing batches from it.

A row: {"id", "group", "source", "lang", "text", "labels", "unsure"}; `group`, `source` and `unsure` may be missing.
"""

import gzip
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .labels import LABELS


@dataclass(frozen=True)
class Row:
    """One labelled sentence."""

    id: str
    group: str
    source: str
    lang: str
    text: str
    labels: tuple[str, ...]
    unsure: tuple[str, ...]

    @classmethod
    def unlabelled(cls, group: str, lang: str, text: str) -> "Row":
        """A sentence of which no label is known."""
        return cls(f"{group}.{lang}", group, "unlabelled", lang, text, (), tuple(LABELS))

    @property
    def kind(self) -> str:
        return kind(self.source)

    def targets(self) -> list[float]:
        """1 or 0 a label."""
        return [float(label in self.labels) for label in LABELS]

    def sure(self) -> list[float]:
        """0 where the annotation wavered, else 1."""
        return [float(label not in self.unsure) for label in LABELS]


def kind(source: str) -> str:
    """`ntrex:DOC` -> `ntrex`, `newstest2014` -> `newstest`, others as they are."""
    if source.startswith("news"):
        return "newstest"
    return source.split(":")[0]


def lines(path: Path) -> Iterator[dict]:
    """The JSON objects of a .jsonl, .jsonl.gz or .jsonl.xz file."""
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def find(data: Path, name: str) -> Path:
    """The file `name`.jsonl, plain or compressed, in `data` or in its folder `stance`."""
    for folder in (data, data / "stance"):
        for suffix in (".jsonl", ".jsonl.gz", ".jsonl.xz"):
            if (folder / (name + suffix)).exists():
                return folder / (name + suffix)
    raise FileNotFoundError(f"no {name}.jsonl[.gz|.xz] in {data}")


def read_rows(path: Path) -> list[Row]:
    """All rows of a labelled file; unknown labels are an error that names the row."""
    rows = []
    for number, line in enumerate(lines(path), 1):
        unknown = set(line["labels"]) - set(LABELS)
        if unknown:
            raise ValueError(f"{path}:{number}: unknown labels {sorted(unknown)}")
        identity = str(line.get("id", number))
        rows.append(
            Row(
                identity,
                str(line.get("group", identity)),
                line.get("source", "own"),
                line["lang"],
                line["text"],
                tuple(line["labels"]),
                tuple(line.get("unsure", ())),
            )
        )
    return rows


def by_group(rows: list[Row]) -> dict[str, list[Row]]:
    """The translations of each sentence, in the order of the rows."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def read_parallel(path: Path) -> list[dict[str, str]]:
    """Unlabelled sentences: {"en": ..., "de": ..., ...}, translations of each other."""
    return list(lines(path))
