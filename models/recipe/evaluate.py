"""Stage `evaluate`: the tables of a model over a labelled file, and the keyword baseline beside it."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from .calibrate import probabilities
from .data import Row
from .export import load
from .keywords import decide
from .labels import KINDS, LABELS, LANGUAGES
from .measure import calibration_error, scores, truth
from .train import predict

MAJOR = {"en", "de", "fr", "es", "ru"}


def decisions_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())["demarche"]


def decided(p: np.ndarray, decisions: dict, which: str = "thresholds") -> np.ndarray:
    """bool [rows, labels]."""
    return p >= np.array([decisions[which][label] for label in LABELS])


def line(name: str, s: dict) -> str:
    labels = " | ".join("–" if np.isnan(s["labels"][label]) else f"{s['labels'][label]:.2f}" for label in LABELS)
    return f"| {name} | {s['rows']} | {s['macro']:.3f} | {s['micro']:.3f} | {labels} |"


def table(title: str, parts: list[tuple[str, list[int]]], chosen: np.ndarray, rows: list[Row]) -> str:
    """A Markdown table: a line a part (name, row numbers)."""
    head = f"| {title} | rows | macro | micro | " + " | ".join(LABELS) + " |"
    rule = "|---|" + "---|" * (3 + len(LABELS))
    body = [line(name, scores(chosen[part], [rows[i] for i in part])) for name, part in parts if part]
    return "\n".join([head, rule, *body])


def where(rows: list[Row], test) -> list[int]:
    return [i for i, row in enumerate(rows) if test(row)]


def report(p: np.ndarray, decisions: dict, rows: list[Row]) -> str:
    """All tables as Markdown. p: calibrated probabilities [rows, labels]."""
    chosen = decided(p, decisions)
    everything = list(range(len(rows)))
    kinds = [(kind, where(rows, lambda row: row.kind == kind)) for kind in KINDS]
    major = where(rows, lambda row: row.lang in MAJOR)
    languages = [(code, where(rows, lambda row: row.lang == code)) for code in LANGUAGES]
    articles = [(code, where(rows, lambda row: row.lang == code and row.kind == "ntrex")) for code in LANGUAGES]
    parts = [("all", everything), ("en de fr es ru", major), *kinds]
    out = [table("source", parts, chosen, rows), table("language", languages, chosen, rows)]
    out.append(table("language, ntrex", articles, chosen, rows))
    out.append(table("keyword list", parts, decide(rows), rows))
    out.append(table("precise thresholds", [("all", everything)], decided(p, decisions, "precise_thresholds"), rows))
    targets, sure = truth(rows)
    errors = [calibration_error(p[:, i], targets[:, i], sure[:, i].astype(float)) for i in range(len(LABELS))]
    out.append("Calibration error: " + ", ".join(f"{label} {error:.3f}" for label, error in zip(LABELS, errors)))
    precise = decided(p, decisions, "precise_thresholds")
    hits, predicted = (precise & targets & sure).sum(0), (precise & sure).sum(0)
    recall = hits / (targets & sure).sum(0)
    out.append(
        "Precision (recall) at the precise thresholds: "
        + ", ".join(f"{label} {h / max(n, 1):.2f} ({r:.2f})" for label, h, n, r in zip(LABELS, hits, predicted, recall))
    )
    return "\n\n".join(out)


def evaluate(folder: Path, rows: list[Row]) -> str:
    """The report of the shipped directory `folder`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    logits = predict(load(folder), tokenizer, [row.text for row in rows], show=True)
    decisions = decisions_of(folder)
    return report(probabilities(logits, decisions), decisions, rows)
