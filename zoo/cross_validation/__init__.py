"""Cross-validation: one run of several folds; and the search of parameters on inner folds."""
