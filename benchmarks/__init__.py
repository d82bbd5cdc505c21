"""What audiospec costs beside its peers and beside what the machine can do; `audiospec benchmark`.

    suite → cases → contenders: prepared, compared, timed in turns → ratios → a table, JSON, a page

A suite is one file in `suites`. It runs in a process of its own, with one thread as the workers have it.
Studies of scores, which take longer and need data, are beside it:
``python -m benchmarks.studies.zoo`` and ``tables``.
"""
