"""The model zoo of audiospec."""
