"""Classification metrics as functions of the confusion matrix, each with n and a 95 % interval.

All metrics here depend on the rows only through the confusion matrix, so resampling rows (the bootstrap) is drawing the
matrix from a multinomial over its cells: the same distribution at a thousandth of the work. Accuracy is a proportion
and gets the exact (Clopper-Pearson) interval instead. Checked against scikit-learn and scipy in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measurement:
    """A metric's value with the interval that holds the true value with the stated confidence."""

    value: float
    low: float
    high: float
    n: int
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """The difference of a metric between two predictors on the same rows (`first` minus `second`)."""

    difference: float
    low: float
    high: float
    n: int

    @property
    def better(self) -> bool:
        """Whether the first is better beyond what resampling the rows explains."""
        return self.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {**asdict(self), "method": "paired bootstrap"}


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> Matrix:
    """Returns counts[true, predicted], shape (classes, classes)."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes).astype(float)


def _precision_recall(matrices: Matrix) -> tuple[Matrix, Matrix]:
    """Per class, over the last axis, for matrices of shape (…, classes, classes); 0 where undefined."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    predicted, actual = matrices.sum(axis=-2), matrices.sum(axis=-1)
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=actual > 0)
    return precision, recall


def _f1(matrices: Matrix) -> Matrix:
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    total = matrices.sum(axis=-2) + matrices.sum(axis=-1)
    return np.asarray(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0))


def _present(matrices: Matrix) -> Matrix:
    """Which classes count in a macro average: those that occur in the truth or in the predictions (as scikit-learn)."""
    return np.asarray((matrices.sum(axis=-2) + matrices.sum(axis=-1)) > 0, dtype=float)


def _macro(values: Matrix, matrices: Matrix) -> Matrix:
    present = _present(matrices)
    return np.asarray((values * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def accuracy(matrices: Matrix) -> Matrix:
    """Share of rows predicted right."""
    return np.asarray(np.trace(matrices, axis1=-2, axis2=-1) / matrices.sum(axis=(-2, -1)))


def f1_macro(matrices: Matrix) -> Matrix:
    """Mean over classes of the harmonic mean of precision and recall: every class counts the same."""
    return _macro(_f1(matrices), matrices)


def f1_weighted(matrices: Matrix) -> Matrix:
    """F1 averaged with the classes' frequencies in the truth as weights."""
    weights = matrices.sum(axis=-1) / matrices.sum(axis=(-2, -1))[..., None]
    return np.asarray((_f1(matrices) * weights).sum(axis=-1))


def precision_macro(matrices: Matrix) -> Matrix:
    """Mean over classes of the share of predictions of the class that are right."""
    return _macro(_precision_recall(matrices)[0], matrices)


def recall_macro(matrices: Matrix) -> Matrix:
    """Mean over classes of the share of the class that was found."""
    return _macro(_precision_recall(matrices)[1], matrices)


METRICS: dict[str, Callable[[Matrix], Matrix]] = {
    "accuracy": accuracy,
    "f1_macro": f1_macro,
    "f1_weighted": f1_weighted,
    "precision_macro": precision_macro,
    "recall_macro": recall_macro,
}


def score(name: str, truth: Labels, predicted: Labels, classes: int) -> float:
    """Returns one metric without an interval."""
    return float(METRICS[name](confusion_matrix(truth, predicted, classes)))


def exact_interval(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval of a proportion (Biometrika 26, 1934): never narrower than it claims."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def measure(  # noqa: PLR0913 (predictions, and how to resample)
    names: Sequence[str], truth: Labels, predicted: Labels, classes: int, *, confidence: float = 0.95, seed: int = 0
) -> dict[str, Measurement]:
    """Returns every named metric with its interval: exact for accuracy, percentile bootstrap for the others."""
    matrix = confusion_matrix(truth, predicted, classes)
    n, tail = len(truth), 100 * (1 - confidence) / 2
    draws = np.random.default_rng(seed).multinomial(n, (matrix / n).ravel(), size=RESAMPLES)
    resampled = draws.reshape(RESAMPLES, classes, classes).astype(float)
    measured: dict[str, Measurement] = {}
    for name in names:
        value = float(METRICS[name](matrix))
        if name == "accuracy":
            low, high, method = *exact_interval(int(np.trace(matrix)), n, confidence), "exact"
        else:
            low, high = (float(x) for x in np.percentile(METRICS[name](resampled), [tail, 100 - tail]))
            method = "bootstrap"
        measured[name] = Measurement(value, low, high, n, method)
    return measured


def compare(  # noqa: PLR0913 (two predictors on one truth, and how to resample)
    name: str, truth: Labels, first: Labels, second: Labels, classes: int, *, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Returns the paired difference `first` minus `second` of a metric, resampling the same rows for both."""
    n = len(truth)
    joint = np.bincount((truth * classes + first) * classes + second, minlength=classes**3)
    draws = np.random.default_rng(seed).multinomial(n, joint / n, size=RESAMPLES).astype(float)
    cube = draws.reshape(RESAMPLES, classes, classes, classes)
    metric = METRICS[name]
    differences = metric(cube.sum(axis=3)) - metric(cube.sum(axis=2))
    tail = 100 * (1 - confidence) / 2
    low, high = (float(x) for x in np.percentile(differences, [tail, 100 - tail]))
    return Comparison(score(name, truth, first, classes) - score(name, truth, second, classes), low, high, n)
