"""Run the blocks of one page, in order: ``[[language, text], ...]`` as JSON on standard input.

All in one process, because importing torch for every line would take most of the time. Each line of ``bash``
is one call of the command line. Each block of ``python`` has names of its own; a warning in it is an error.
"""

from __future__ import annotations

import json
import shlex
import sys
import warnings

from audiospec.cli import main


def run(language: str, text: str) -> None:
    if language == "python":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(text, "<block>", "exec"), {"__name__": "__main__"})
        return
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "audiospec", f"only audiospec is run: {line}"
            sys.argv = words
            assert main() == 0, f"failed: {line}"


if __name__ == "__main__":
    for language, text in json.load(sys.stdin):
        print(f"--- {language}\n{text}", flush=True)
        run(language, text)
