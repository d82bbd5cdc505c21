"""The command line of audiospec: one file a command; parse, call one function, render."""

def main() -> None:
    pass
