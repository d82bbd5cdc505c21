"""Write HTML pages: the document, its base style, escaped text, tables and counts.

A page has no script, and its content security policy does not let it load anything. The style is allowed by
its hash, so style attributes have no effect.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path

from audiospec.errors import AudiospecError, DiskFullError
from audiospec.files import atomic_write
from audiospec.text import printable

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1d2126; --quiet: #59616d; --line: #d5dae1;
  --one: #1f62a6; --two: #ab4a10; --warn: #fff1e2; --link: #0b57a4 }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --text: #e6e8eb; --quiet: #a6aeb9;
  --line: #363d47; --one: #7db4f0; --two: #f0a06a; --warn: #3a2816; --link: #8fc1f7 } }
@media print { :root { color-scheme: light; --back: #fff; --text: #000; --quiet: #444; --line: #bbb;
  --one: #1f62a6; --two: #ab4a10; --warn: #fff; --link: #000 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 78rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 2.8rem 0 .6rem; padding-top: .9rem;
  border-top: 1px solid var(--line) }
h3 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
h4 { font-size: 1rem; margin: 1.6rem 0 .4rem }
p, ul { max-width: 48rem; margin: .4rem 0 }
ul { padding-left: 1.3rem }
small, .quiet, caption { color: var(--quiet) }
small { font-size: .85em; font-weight: 400; display: block }
a { color: var(--link) }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
summary { cursor: pointer }
.warn { background: var(--warn); border-left: .3rem solid var(--two); padding: .5rem .8rem }
.mark { border: 1px solid currentColor; border-radius: .8em; padding: 0 .5em; font-size: .8rem;
  font-weight: 400; white-space: nowrap; display: inline-block }
.scroll { overflow: auto; max-width: 100%; max-height: 85vh; border: 1px solid var(--line);
  border-radius: .4rem; width: fit-content }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
caption { text-align: left; padding: .5rem .6rem; font-size: .9rem }
caption span { display: block; max-width: min(48rem, calc(100vw - 5.5rem)); position: sticky; left: .6rem }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line) }
th { font-weight: 600 }
th, td { overflow-wrap: normal }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; border-top: 0 }
td.n, th.n { text-align: right }
td.n, td.n small, .whole { white-space: nowrap }
.own { min-width: 7.5rem; max-width: 20rem; overflow-wrap: anywhere }
.pair { display: flex; flex-wrap: wrap; gap: 0 2rem }
.pair > div { min-width: 0; max-width: 100% }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 0 2rem }
dl { display: grid; grid-template-columns: fit-content(50%) minmax(0, 1fr); gap: .1rem .8rem;
  margin: .3rem 0; font-size: .9rem }
dt { color: var(--quiet) }
dd { margin: 0 }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; margin: .4rem 0 }
.charts svg { flex: 1 1 17rem; max-width: 30rem; min-width: 0; height: auto }
.charts text { fill: var(--quiet); font-size: 12px }
.charts .title { fill: var(--text); font-weight: 600; font-size: 13px }
.grid { stroke: var(--line); stroke-width: 1 }
.best { stroke: var(--quiet); stroke-dasharray: 2 3 }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt }
  .scroll { overflow: visible; max-height: none; border: 0 }
  tr, svg, .warn { break-inside: avoid }
  h2, h3, h4, summary, caption { break-after: avoid }
}
"""


def page(title: str, body: str, style: str = "") -> str:
    """Return an HTML document that cannot load anything.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.
    style : str
        CSS of this page, added to that of all pages. It can use the colours ``var(--back)``,
        ``var(--text)``, ``var(--quiet)``, ``var(--line)``, ``var(--warn)`` and ``var(--link)``, and for
        drawings ``var(--one)`` and ``var(--two)``.
    """
    style = _STYLE + style
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'  # else browsers request one from the server
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def save(content: str, path: Path | str, error: type[AudiospecError], choice: str) -> Path:
    """Write a page to a file, atomically; an existing file is replaced.

    Parameters
    ----------
    content : str
        HTML.
    path : path
        Its folder is made if it does not exist.
    error : subclass of AudiospecError
        Raised if the file cannot be written.
    choice : str
        What the caller chooses the file with, for the hint, such as "`path`".

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
    except DiskFullError:
        raise
    except OSError as failure:
        raise error(f"cannot write {path}: {failure.strerror}", f"choose another {choice}") from failure
    return path


def text(value: object, most: int | None = 60) -> str:
    """Return foreign text as HTML: escaped, with visible control characters, and isolated in direction.

    Parameters
    ----------
    value : object
        Text, or an object whose ``str`` is shown.
    most : int or None
        Characters to show. The middle of longer text is cut out, and a tooltip shows it all. None: no limit.
    """
    full = str(value)
    if most is None or len(full) <= most:
        return f"<bdi>{attribute(full)}</bdi>"
    short = f"{full[: most // 2]}…{full[-most // 3 :]}"
    return f'<bdi title="{attribute(full)}">{attribute(short)}</bdi>'


def attribute(value: object) -> str:
    """Return foreign text, escaped for the value of an attribute in quotes."""
    return escape(printable(str(value)))


def facts(pairs: Mapping[str, object]) -> str:
    """Return names and values as an HTML list of two columns."""
    return f"<dl>{''.join(f'<dt>{text(name)}<dd>{_value(value)}' for name, value in pairs.items())}</dl>"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        value = [f"{name} {item}" for name, item in value.items()]
    if not isinstance(value, list | tuple):
        return text(value, None)
    listed = text(", ".join(map(str, value)) or "none", None)
    return listed if len(value) <= 8 else f"<details><summary>{len(value)} values</summary>{listed}</details>"


def scrolled(caption: str, rows: str, kind: str = "", label: str = "") -> str:
    """Return a table in a box that scrolls separately from the page, with the keyboard too.

    Parameters
    ----------
    caption, rows : str
        HTML.
    kind : str
        Class of the table; ``""`` for none.
    label : str
        Name of the box, as plain text. ``""``: the caption, which must then be plain text too.
    """
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{attribute(label or caption)}">'
        f"<table{kind_attribute(kind)}><caption><span>{caption}</span></caption>{rows}</table></div>"
    )


def kind_attribute(kind: str) -> str:
    """Return the attribute ``class`` with a space before it, or ``""`` if `kind` is empty."""
    return f' class="{kind}"' if kind else ""


def count(number: int, noun: str) -> str:
    """Return a count in words, such as ``"1 run"`` or ``"1,200 runs"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ticks(low: float, high: float) -> list[float]:
    """Return four to eight evenly spaced round numbers that span `low` to `high`."""
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]
