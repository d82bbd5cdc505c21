"""What the report page is written with: its style, escaped text, tables and words.

The page has no script, and its policy lets it load nothing: the style is allowed by its hash, so that not
even a style attribute would count.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from audiospec.datasets.base import shown

#: Confusion cells are shaded in so many steps, from 1.
SHADES = 8

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1d2126; --quiet: #59616d; --line: #d5dae1;
  --train: #1f62a6; --valid: #ab4a10; --right: 47 111 176; --wrong: 214 120 60;
  --warn: #fff1e2; --link: #0b57a4 }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --text: #e6e8eb; --quiet: #a6aeb9;
  --line: #363d47; --train: #7db4f0; --valid: #f0a06a; --right: 62 126 206;
  --wrong: 186 92 38; --warn: #3a2816; --link: #8fc1f7 } }
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
summary h3 { display: inline; margin: 0 }
.warn { background: var(--warn); border-left: .3rem solid var(--valid); padding: .5rem .8rem }
.mark { border: 1px solid currentColor; border-radius: .8em; padding: 0 .5em; font-size: .8rem;
  font-weight: 400; white-space: nowrap; display: inline-block }
.leaky { color: var(--valid); font-weight: 600 }
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
.wide { overflow-x: auto }
.board { width: 100%; border: 1px solid var(--line); border-radius: .4rem; border-collapse: separate;
  border-spacing: 0 }
.board .score { font-size: 1.05rem; font-weight: 600 }
.board summary { color: var(--quiet); font-size: .85em }
.board .seed { min-width: 4.5rem }
.board ul { padding: 0; margin: .2rem 0; list-style: none; font-size: .85em }
.bar { display: block; width: 7rem; height: .7rem; margin-top: .15rem }
.bar .axis { stroke: var(--line); stroke-width: 2 }
.bar .range { fill: var(--train); opacity: .45 }
.bar .mean { fill: var(--text) }
.run { border: 1px solid var(--line); border-radius: .4rem; margin: .6rem 0; padding: .6rem .9rem }
.run > summary > .quiet { display: block }
.pair { display: flex; flex-wrap: wrap; gap: 0 2rem }
.pair > div { min-width: 0; max-width: 100% }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 0 2rem }
dl { display: grid; grid-template-columns: fit-content(50%) minmax(0, 1fr); gap: .1rem .8rem;
  margin: .3rem 0; font-size: .9rem }
dt { color: var(--quiet) }
dd { margin: 0 }
.curves { display: flex; flex-wrap: wrap; gap: 1rem; margin: .4rem 0 }
.curves svg { flex: 1 1 17rem; max-width: 30rem; min-width: 0; height: auto }
.curves text { fill: var(--quiet); font-size: 12px }
.curves .title { fill: var(--text); font-weight: 600; font-size: 13px }
.grid { stroke: var(--line); stroke-width: 1 }
.best { stroke: var(--quiet); stroke-dasharray: 2 3 }
.train, .valid { fill: none; stroke-width: 2; stroke-linejoin: round }
.train { stroke: var(--train) }
.valid { stroke: var(--valid); stroke-dasharray: 6 3 }
.dot-train { fill: var(--train) }
.dot-valid { fill: var(--valid) }
.confusion { border-collapse: separate; border-spacing: 1px }
.confusion td { text-align: right; vertical-align: middle; border: 0; min-width: 2.2rem;
  padding: .25rem .4rem }
.confusion th { border: 0; font-weight: 500; font-size: .85rem; background: var(--back) }
.confusion th span { display: block; max-width: min(11rem, 30vw); overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis }
.confusion tbody th { position: sticky; left: 0; z-index: 1 }
.confusion thead th { position: sticky; top: 0; z-index: 2 }
.confusion thead th span { writing-mode: vertical-rl; transform: rotate(180deg); max-width: none;
  max-height: 11rem }
.confusion thead td { position: sticky; left: 0; top: 0; z-index: 3; background: var(--back);
  text-align: left; vertical-align: bottom; color: var(--quiet); font-size: .8rem }
.own-class { font-weight: 700; outline: 1px solid var(--quiet); outline-offset: -1px }
@media (max-width: 66rem) {
  .board, .board tbody, .board caption { display: block }
  .board thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .board tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr));
    gap: .5rem .8rem; padding: .7rem .6rem; border-top: 1px solid var(--line) }
  .board th, .board td { border: 0; padding: 0; text-align: left }
  .board th, .board td.rank { grid-area: 1 / 1 / 2 / -1 }
  .board td.rank::before { content: none }
  .board td.rank + th { padding-left: 2.2rem }
  .board td::before { content: attr(data-label); display: block; color: var(--quiet); font-size: .8rem }
  .board .own, .board td.n { max-width: none; white-space: normal }
}
@media print {
  :root { color-scheme: light; --back: #fff; --text: #000; --quiet: #444; --line: #bbb;
    --train: #1f62a6; --valid: #ab4a10; --right: 47 111 176; --wrong: 214 120 60; --warn: #fff;
    --link: #000 }
  body { max-width: none; padding: 0; font-size: 10pt }
  .scroll { overflow: visible; max-height: none; border: 0 }
  .confusion th, .confusion thead td { position: static }
  tr, svg, .warn { break-inside: avoid }
  h2, h3, h4, summary, caption { break-after: avoid }
  .confusion td { print-color-adjust: exact }
}
"""
# Shades stop at .68, so that the text's own colour can be read on all of them, by day and by night.
_STYLE += "".join(
    f".{kind}{shade} {{ background: rgb(var(--{name}) / {0.68 * shade / SHADES:.3f}) }}\n"
    for kind, name in (("r", "right"), ("w", "wrong"))
    for shade in range(1, SHADES + 1)
)


def page(title: str, body: str) -> str:
    """Return a whole HTML document that can load nothing.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.
    """
    allowed = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'  # else a browser asks the server for one
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def text(value: object, most: int | None = 60) -> str:
    """Somebody's own text: escaped, control characters visible, its direction kept to itself.

    Parameters
    ----------
    value : object
    most : int or None
        So many characters are shown; of longer text the middle is left to a tooltip. None: all.
    """
    whole = str(value)
    if most is None or len(whole) <= most:
        return f"<bdi>{attribute(whole)}</bdi>"
    short = f"{whole[: most // 2]}…{whole[-most // 3 :]}"
    return f'<bdi title="{attribute(whole)}">{attribute(short)}</bdi>'


def attribute(value: object) -> str:
    """Somebody's own text, as the value of an attribute in quotes."""
    return escape(shown(str(value)))


def facts(pairs: Mapping[str, object]) -> str:
    """Return names and values as a list of two columns."""
    return f"<dl>{''.join(f'<dt>{text(name)}<dd>{_value(value)}' for name, value in pairs.items())}</dl>"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        value = [f"{name} {one}" for name, one in value.items()]
    if not isinstance(value, list | tuple):
        return text(value, None)
    listed = text(", ".join(map(str, value)) or "none", None)
    return listed if len(value) <= 8 else f"<details><summary>{len(value)} values</summary>{listed}</details>"


def percent(value: float) -> str:
    """Return a score of 0 to 1 in percent.

    Raises
    ------
    ValueError
        It is no such score.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"a score is {value}")
    return f"{100 * value:.1f}"


def interval(score: Mapping[str, Any], name: str) -> str:
    """A score and its interval, such as ``"95.0 (88.6 to 100.0)"``."""
    low, high = score[f"{name}_interval"]
    return f"{percent(score[name])} ({percent(low)} to {percent(high)})"


def span(numbers: Sequence[int]) -> str:
    """The least and the largest of some numbers, or the one that they all are."""
    low, high = min(numbers), max(numbers)
    return f"{low:d}" if low == high else f"{low:d} to {high:d}"


def marked(strategy: str) -> str:
    """A split strategy; a leaky one stands out."""
    return f'<span class="leaky">{text(strategy)}</span>' if "(leaky)" in strategy else text(strategy)


def scrolled(caption: str, rows: str, kind: str = "") -> str:
    """Put a table into a box that scrolls by itself, by keyboard, too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{attribute(caption)}">'
        f"<table{kind_attribute(kind)}><caption><span>{caption}</span></caption>{rows}</table></div>"
    )


def kind_attribute(kind: str) -> str:
    """An attribute ``class``, if there is any."""
    return f' class="{kind}"' if kind else ""


def count(number: int, noun: str) -> str:
    """A count in words, such as ``"1 run"``, ``"1,200 runs"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
