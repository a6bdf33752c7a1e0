"""The forms of the new-job page: the few choices people make; the rest takes the schema's defaults."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from django import forms

from registry.accounts.models import Purpose

METHODS: Final = (
    ("frozen", "Frozen", "Trains a small head on the model’s embeddings. Seconds to minutes, little memory."),
    ("lora", "LoRA", "Trains small additions to the weights, merged at the end. Near full quality, far less memory."),
    ("full", "Full", "Trains every weight. Best quality with enough data; most memory."),
)
# Paths of the request -> fields of the form, for messages that come back.
FIELD_OF: Final = MappingProxyType(
    {
        "base.repo": "model",
        "base": "model",
        "model.repo": "model",
        "base.revision": "model",
        "model.revision": "model",
        "data.repo": "dataset",
        "data": "dataset",
        "data.revision": "dataset",
        "data.columns.text": "text_column",
        "data.columns.label": "label_column",
        "data.split": "split",
        "data.split.train": "split",
        "data.split.eval": "split",
        "data.config": "dataset",
        "method": "method",
        "method.name": "method",
        "train.epochs": "epochs",
        "train.max_length": "max_length",
        "eval.max_length": "max_length",
        "limits.wall_seconds": "minutes",
        "output.repo": "output",
        "output": "output",
        "purpose": "purpose",
    }
)


class JobForm(forms.Form):
    """What both kinds ask for."""

    model = forms.CharField(label="Model", max_length=200, help_text="A model of this hub, as <i>owner/name</i>.")
    dataset = forms.CharField(label="Dataset", max_length=200, help_text="A dataset of this hub, as <i>owner/name</i>.")
    text_column = forms.CharField(label="Text column", max_length=200, initial="text")
    label_column = forms.CharField(label="Label column", max_length=200, initial="label")
    max_length = forms.IntegerField(
        label="Longest text", min_value=8, max_value=8192, initial=128, help_text="In tokens; longer texts are cut."
    )
    minutes = forms.IntegerField(label="Time limit", min_value=1, max_value=1440, initial=60, help_text="In minutes.")
    purpose = forms.ChoiceField(
        label="Purpose", choices=Purpose.choices, help_text="What the result is for. The license gate asks with it."
    )

    def _data(self) -> dict[str, Any]:
        """Returns the part of the request that both kinds share."""
        value = self.cleaned_data
        return {"repo": value["dataset"], "columns": {"text": value["text_column"], "label": value["label_column"]}}


class FinetuneForm(JobForm):
    """Supervised training on labelled text."""

    method = forms.ChoiceField(
        label="Method",
        choices=[(value, label) for value, label, _ in METHODS],
        initial="frozen",
        widget=forms.RadioSelect,
    )
    epochs = forms.FloatField(label="Epochs", min_value=0.01, max_value=100, initial=1)
    output = forms.CharField(
        label="Publish as", max_length=200, help_text="A new model, or one that you may write; <i>owner/name</i>."
    )
    visibility = forms.ChoiceField(label="Visibility", choices=[("private", "Private"), ("public", "Public")])
    field_order = (
        "model", "dataset", "text_column", "label_column", "method", "epochs", "max_length",
        "output", "visibility", "minutes", "purpose",
    )  # fmt: skip

    @property
    def methods(self) -> list[tuple[str, str, str, bool]]:
        """(value, name, what it means, chosen) of each method."""
        return [(*item, self["method"].value() == item[0]) for item in METHODS]

    def spec(self) -> dict[str, Any]:
        """Returns the request as the job service takes it."""
        value = self.cleaned_data
        method = {"name": value["method"]}
        return {
            "kind": "finetune",
            "task": "text-classification",
            "base": {"repo": value["model"]},
            "data": self._data(),
            "method": method,
            "train": {"epochs": value["epochs"], "max_length": value["max_length"]},
            "limits": {"wall_seconds": value["minutes"] * 60},
            "output": {"repo": value["output"], "visibility": value["visibility"]},
            "purpose": value["purpose"],
        }


class EvaluateForm(JobForm):
    """Metrics with intervals on a split."""

    split = forms.CharField(label="Split", max_length=100, initial="test")
    output = forms.CharField(
        label="Write results to",
        max_length=200,
        required=False,
        help_text="A model whose card gets the results; you must be able to write it. Empty keeps them with the job.",
    )
    field_order = (
        "model", "dataset", "split", "text_column", "label_column", "max_length", "output", "minutes", "purpose",
    )  # fmt: skip

    def spec(self) -> dict[str, Any]:
        """Returns the request as the job service takes it."""
        value = self.cleaned_data
        return {
            "kind": "evaluate",
            "task": "text-classification",
            "model": {"repo": value["model"]},
            "data": {**self._data(), "split": value["split"]},
            "eval": {"max_length": value["max_length"]},
            "limits": {"wall_seconds": value["minutes"] * 60},
            "output": {"repo": value["output"]} if value["output"] else None,
            "purpose": value["purpose"],
        }
