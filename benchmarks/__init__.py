"""Benchmarks of audiospec against other libraries and the limits of the machine: `audiospec benchmark`.

    suite → cases → contenders: prepared, compared, timed in turn → ratios → a table, JSON, a page

A suite is one file in `suites`. It runs in its own process, with one thread and the settings of a worker.
Studies of scores are separate, because they take longer and need real audio:
``python -m benchmarks.studies.zoo`` and ``python -m benchmarks.studies.tables``.
"""
