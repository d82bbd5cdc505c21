"""The report page over several runs."""
