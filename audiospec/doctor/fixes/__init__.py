"""What is done about findings on request; nothing is deleted."""
