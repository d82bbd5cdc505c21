"""Trials: damage done on purpose to files, stores, runs and processes, and what audiospec makes of it.

    python -m benchmarks.trials mutants --seed 1 --count 10000 --processes 2

    seed, number → one trial, done in child processes → a record in the journal → a table

A trial depends on its seed and number alone, so ``--only NUMBER`` repeats it. `trial` has what all trials
share; each kind of trial is one package or file.
"""
