"""F1, thresholds and calibration errors over rows with unsure labels. Arrays: [rows, labels] unless said."""

import numpy as np

from .data import Row
from .labels import LABELS


def truth(rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """(labels as bool, sure as bool)."""
    targets = np.array([row.targets() for row in rows], dtype=bool)
    return targets, np.array([row.sure() for row in rows], dtype=bool)


def f1(hits: float, predicted: float, actual: float) -> float:
    """2 * hits / (predicted + actual); nan where a label neither occurs nor is predicted."""
    return 2 * hits / (predicted + actual) if predicted + actual else float("nan")


def counts(decided: np.ndarray, targets: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Hits, predictions, occurrences a label, of sure labels only: [3, labels]."""
    return np.stack([(decided & targets & sure).sum(0), (decided & sure).sum(0), (targets & sure).sum(0)])


def scores(decided: np.ndarray, rows: list[Row]) -> dict:
    """F1 per label, macro over the labels that occur, micro."""
    hits, predicted, actual = counts(decided, *truth(rows))
    labels = {label: f1(*c) for label, c in zip(LABELS, zip(hits, predicted, actual))}
    occurring = [labels[label] for label, n in zip(LABELS, actual) if n]
    return {
        "rows": len(rows),
        "macro": float(np.mean(occurring)) if occurring else float("nan"),
        "micro": f1(hits.sum(), predicted.sum(), actual.sum()),
        "labels": labels,
        "support": {label: int(n) for label, n in zip(LABELS, actual)},
    }


def best_thresholds(probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The threshold a label that gives the best F1, and that F1. `weights` are 0 where unsure."""
    thresholds, best = [], []
    for label in range(probabilities.shape[1]):
        order = np.argsort(-probabilities[:, label])
        p, y, w = probabilities[order, label], targets[order, label], weights[order, label]
        hits, predicted = np.cumsum(y * w), np.cumsum(w)
        value = 2 * hits / np.maximum(predicted + (y * w).sum(), 1e-9)
        at = int(value.argmax())
        following = p[at + 1] if at + 1 < len(p) else 0.0
        thresholds.append((p[at] + following) / 2)
        best.append(float(value[at]))
    return np.array(thresholds), np.array(best)


def calibration_error(p: np.ndarray, y: np.ndarray, w: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of one label in equal-width bins; all arrays [rows]."""
    number = np.minimum((p * bins).astype(int), bins - 1)
    error = 0.0
    for one in range(bins):
        inside = w * (number == one)
        if inside.sum():
            error += abs((inside * (p - y)).sum())
    return error / w.sum()
