"""Metrics against scikit-learn and scipy, intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from workers.metrics import baselines
from workers.metrics.classification import METRICS, compare, exact_interval, measure, score

REFERENCES = {
    "accuracy": sklearn_metrics.accuracy_score,
    "f1_macro": lambda t, p: sklearn_metrics.f1_score(t, p, average="macro", zero_division=0),
    "f1_weighted": lambda t, p: sklearn_metrics.f1_score(t, p, average="weighted", zero_division=0),
    "precision_macro": lambda t, p: sklearn_metrics.precision_score(t, p, average="macro", zero_division=0),
    "recall_macro": lambda t, p: sklearn_metrics.recall_score(t, p, average="macro", zero_division=0),
}


def random_predictions(seed: int, classes: int = 4, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, rows)
    predicted = np.where(generator.random(rows) < 0.6, truth, generator.integers(0, classes, rows))
    return truth, predicted


def test_every_metric_has_a_reference() -> None:
    assert set(METRICS) == set(REFERENCES)


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(name: str, seed: int) -> None:
    truth, predicted = random_predictions(seed)
    assert score(name, truth, predicted, 4) == pytest.approx(REFERENCES[name](truth, predicted))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_classes_that_never_occur_count_as_in_scikit_learn(name: str) -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert score(name, truth, predicted, 5) == pytest.approx(REFERENCES[name](truth, predicted))


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (7, 10), (412, 500)])
def test_the_exact_interval_equals_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(confidence_level=0.95, method="exact")
    assert exact_interval(hits, n) == pytest.approx((expected.low, expected.high))


def test_bootstrap_by_confusion_matrix_agrees_with_resampling_rows() -> None:
    truth, predicted = random_predictions(3, rows=200)
    generator = np.random.default_rng(1)
    values = []
    for _ in range(2000):
        chosen = generator.integers(0, 200, 200)
        values.append(score("f1_macro", truth[chosen], predicted[chosen], 4))
    measured = measure(["f1_macro"], truth, predicted, 4)["f1_macro"]
    assert (measured.low, measured.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=0.01)


def test_intervals_hold_the_value_and_narrow_with_more_rows() -> None:
    truth, predicted = random_predictions(0)
    few = measure(list(METRICS), truth, predicted, 4)
    many = measure(list(METRICS), np.tile(truth, 20), np.tile(predicted, 20), 4)
    for name in METRICS:
        assert few[name].low <= few[name].value <= few[name].high
        assert many[name].high - many[name].low < few[name].high - few[name].low
    assert few["accuracy"].method == "exact"
    assert few["f1_macro"].method == "bootstrap"
    assert few["f1_macro"].n == 60


def test_measuring_twice_gives_the_same_interval() -> None:
    truth, predicted = random_predictions(0)
    assert measure(["f1_macro"], truth, predicted, 4, seed=5) == measure(["f1_macro"], truth, predicted, 4, seed=5)


def test_a_comparison_is_paired_and_signed() -> None:
    truth, worse = random_predictions(0, rows=300)
    better = np.where(np.arange(300) % 3 == 0, worse, truth)
    ahead = compare("accuracy", truth, better, worse, 4)
    behind = compare("accuracy", truth, worse, better, 4)
    assert ahead.better
    assert not behind.better
    assert ahead.difference == pytest.approx(-behind.difference)
    assert ahead.low <= ahead.difference <= ahead.high


def test_a_predictor_does_not_beat_itself() -> None:
    truth, predicted = random_predictions(0)
    same = compare("f1_macro", truth, predicted, predicted, 4)
    assert (same.difference, same.low, same.high, same.better) == (0, 0, 0, False)


def test_the_majority_baseline_predicts_the_most_frequent_training_label() -> None:
    assert baselines.predict_majority(np.array([0, 2, 2, 1]), 3).tolist() == [2, 2, 2]


def test_tfidf_learns_words_and_gives_up_on_wordless_text() -> None:
    texts, labels = ["bright day", "dull day", "bright sky", "dull sky"], np.array([1, 0, 1, 0])
    assert list(baselines.predict_tfidf(texts, labels, ["bright", "dull"], seed=0)) == [1, 0]
    assert baselines.predict_tfidf(["!", "?"], np.array([0, 1]), ["!"], seed=0) is None
