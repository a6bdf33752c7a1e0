"""Ways to adapt a pretrained encoder to a classification task: full, frozen with mean pooling, LoRA."""
