"""Studies of scores on real audio; they take longer than the suites."""
