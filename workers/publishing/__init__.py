"""What a job leaves behind: weights, card, curves, notices and manifest, published in one commit."""
