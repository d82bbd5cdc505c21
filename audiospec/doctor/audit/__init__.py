"""The audit of labels: which are likely wrong, by models that did not learn from them."""
