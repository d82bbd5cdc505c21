"""Studies of scores and of agreement on real audio; they take longer than the suites."""
