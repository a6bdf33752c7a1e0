"""Two cheap predictors for text: the most frequent label, and TF-IDF with logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.metrics.classification import Labels


def predict_majority(train_labels: Labels, rows: int) -> Labels:
    """Returns the most frequent training label for every row (the lowest such label on a tie)."""
    return np.full(rows, int(np.bincount(train_labels).argmax()), dtype=np.int64)


def predict_tfidf(train_texts: Sequence[str], train_labels: Labels, texts: Sequence[str], seed: int) -> Labels | None:
    """Returns the labels that logistic regression on word 1- and 2-grams predicts; `None` where no word remains.

    Sublinear term frequency and C = 10 are the usual strong settings for short texts; nothing is tuned on `texts`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=200_000)
    try:
        features = vectorizer.fit_transform(train_texts)
    except ValueError:  # scikit-learn's "empty vocabulary": the texts hold no words
        return None
    model = LogisticRegression(C=10.0, max_iter=1000, random_state=seed).fit(features, train_labels)
    return np.asarray(model.predict(vectorizer.transform(texts)), dtype=np.int64)
