"""Mean pooling inside a stock BERT-family classifier, so that unmodified transformers predicts what we trained.

The stock head of these models reads the first token, which a sentence encoder never trained for that. Publishing a
custom head would need custom code at every user, so the mean is computed by one more *standard* encoder layer:

- query and key are zero: attention is uniform over the tokens that are not padding, i.e. their average;
- value is the identity, the output projection 1000 times the identity: the residual connection still adds the first
  token's own state, which this outweighs a thousand to one; the layer norm that follows removes the scale;
- the feed-forward half is zero and its layer norm changes nothing that is normalised already;
- the pooler is identity / 8 and tanh, near enough linear for normalised features (which lie within a few units).

So the first token's pooled state is tanh(LayerNorm(mean) / 8), frozen, and the classifier on top is what is trained.
It is trained on exactly these features, so publishing approximates nothing: the loaded model gives the same logits.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from workers.failures import FailureCode, JobFailedError

SUPPORTED = ("bert", "camembert", "roberta", "xlm-roberta")
SQUASH = 8.0
_OUTWEIGH = 1000.0


def append_averaging_layer(model: Any) -> None:
    """Adds the layer to a `…ForSequenceClassification` model and sets its pooler, in place.

    Raises:
        JobFailedError: `bad_spec` for an architecture without post-norm BERT layers.
    """
    if model.config.model_type not in SUPPORTED:
        raise JobFailedError(
            FailureCode.BAD_SPEC,
            f"`frozen` pools by mean for {', '.join(SUPPORTED)} models and the base is a `{model.config.model_type}`: "
            "use `full` or `lora`",
        )
    layers = model.base_model.encoder.layer
    layer = copy.deepcopy(layers[-1])
    with torch.no_grad():
        _average(layer)
        layers.append(layer)
        dense = model.base_model.pooler.dense if model.config.model_type == "bert" else model.classifier.dense
        _scale(dense, 1 / SQUASH)
    model.config.num_hidden_layers = len(layers)


def final_linear(model: Any) -> torch.nn.Linear:
    """Returns the linear layer that gives the logits."""
    head = model.classifier if model.config.model_type == "bert" else model.classifier.out_proj
    if not isinstance(head, torch.nn.Linear):
        raise TypeError(f"the classifier of `{model.config.model_type}` ends in {type(head).__name__}")
    return head


def _average(layer: Any) -> None:
    attention = layer.attention
    for linear in (attention.self.query, attention.self.key, layer.intermediate.dense, layer.output.dense):
        linear.weight.zero_()
        linear.bias.zero_()
    _scale(attention.self.value, 1.0)
    _scale(attention.output.dense, _OUTWEIGH)
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        norm.weight.fill_(1)
        norm.bias.zero_()


def _scale(linear: torch.nn.Linear, factor: float) -> None:
    """Makes a square linear layer multiply by `factor`."""
    linear.weight.copy_(torch.eye(linear.in_features) * factor)
    linear.bias.zero_()
