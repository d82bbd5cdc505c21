"""Events: stretches of a file with a label, found in a model's outputs over time."""
