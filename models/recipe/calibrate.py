"""Stage `calibrate`: logits on dev -> temperature and bias a label, thresholds by F1, thresholds for precision.

Probability = sigmoid(logit / temperature + bias). Each kind of source has the same say, however many rows it has: two of
them have the real distribution, two are rich in stances, and rare labels are found in the latter alone.
"""

import numpy as np
from scipy.optimize import minimize

from .data import Row
from .labels import LABELS
from .measure import truth

SCARCE = 6
GRID = np.linspace(0.05, 0.95, 181)


def row_weights(rows: list[Row]) -> np.ndarray:
    """[rows], mean 1: one over the number of rows of a row's kind."""
    kinds = np.array([row.kind for row in rows])
    weights = np.zeros(len(rows))
    for kind in set(kinds):
        weights[kinds == kind] = 1 / (kinds == kind).sum()
    return weights / weights.mean()


def fit_scaling(z: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Temperature and bias of least weighted cross-entropy; all arrays [rows]. The bias is held back a little."""

    def loss(x: np.ndarray) -> float:
        logit = z * np.exp(-x[0]) + x[1]
        return float((w * (np.logaddexp(0, logit) - y * logit)).sum() / w.sum() + 1e-3 * x[1] ** 2 + 1e-3 * x[0] ** 2)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])


def group_draws(rows: list[Row], count: int, seed: int = 5) -> list[np.ndarray]:
    """`count` bootstrap draws: how often each row counts, whole groups at a time."""
    _, number = np.unique([row.group for row in rows], return_inverse=True)
    chance = np.random.default_rng(seed)
    groups = number.max() + 1
    return [np.bincount(chance.integers(groups, size=groups), minlength=groups)[number] for _ in range(count)]


def f1_curve(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """F1 at each threshold of the grid; all arrays [rows]."""
    bins = np.searchsorted(GRID, p, side="right")
    hits = np.bincount(bins, w * y, len(GRID) + 1)[::-1].cumsum()[::-1][1:]
    predicted = np.bincount(bins, w, len(GRID) + 1)[::-1].cumsum()[::-1][1:]
    return 2 * hits / np.maximum(predicted + (w * y).sum(), 1e-9)


def choose_threshold(p: np.ndarray, y: np.ndarray, sure: np.ndarray, kinds: np.ndarray, draws: list[np.ndarray]) -> float:
    """The threshold of the best F1, averaged over kinds (those with too few positives left out) and over
    bootstrap draws: the mean curve is smooth, so that no single row decides."""
    curve = np.zeros(len(GRID))
    for kind in set(kinds):
        own = kinds == kind
        if (y * sure)[own].sum() >= SCARCE:
            for draw in draws:
                curve += f1_curve(p[own], y[own], (sure * draw)[own])
    return float(GRID[curve.argmax()]) if curve.any() else 0.5


def precise_threshold(p: np.ndarray, y: np.ndarray, w: np.ndarray, wanted: float = 0.9) -> float:
    """The lowest threshold of the grid with a weighted precision of `wanted`; the highest if none has it."""
    for threshold in GRID:
        over = p >= threshold
        if (w * y * over).sum() >= wanted * (w * over).sum():
            return float(threshold)
    return float(GRID[-1])


def probabilities(logits: np.ndarray, decisions: dict) -> np.ndarray:
    """Calibrated probabilities [rows, labels]."""
    temperature = np.array([decisions["temperatures"][label] for label in LABELS])
    bias = np.array([decisions["biases"][label] for label in LABELS])
    return 1 / (1 + np.exp(-(logits / temperature + bias)))


def calibrate(logits: np.ndarray, rows: list[Row]) -> dict:
    """Everything that the config keeps of dev."""
    targets, sure = truth(rows)
    weights, kinds, draws = row_weights(rows), np.array([row.kind for row in rows]), group_draws(rows, 40)
    out: dict[str, dict[str, float]] = {"temperatures": {}, "biases": {}, "thresholds": {}, "precise_thresholds": {}}
    for i, label in enumerate(LABELS):
        y, s = targets[:, i].astype(float), sure[:, i].astype(float)
        temperature, bias = fit_scaling(logits[:, i], y, weights * s)
        p = 1 / (1 + np.exp(-(logits[:, i] / temperature + bias)))
        threshold = choose_threshold(p, y, s, kinds, draws)
        precise = max(threshold, precise_threshold(p, y, weights * s))
        found = (temperature, bias, threshold, precise)
        for key, value in zip(out, found):
            out[key][label] = round(value, 4)
    return out
