"""Windows: files cut and computed as they are decoded, a model's outputs for each, and their mean in time."""
