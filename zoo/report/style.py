"""The style of the report page, and fragments of HTML that several parts of it use."""

from __future__ import annotations

from collections.abc import Sequence

from audiospec.render.html import text

#: Number of shades of the cells of a confusion matrix, without the blank one.
SHADES = 8

#: The style of the report, in addition to that of all pages.
STYLE = """
:root { --right: 47 111 176; --wrong: 214 120 60 }
@media (prefers-color-scheme: dark) { :root { --right: 62 126 206; --wrong: 186 92 38 } }
@media print { :root { --right: 47 111 176; --wrong: 214 120 60 } }
summary h3 { display: inline; margin: 0 }
.leaky { color: var(--two); font-weight: 600 }
.wide { overflow-x: auto }
.board { width: 100%; border: 1px solid var(--line); border-radius: .4rem; border-collapse: separate;
  border-spacing: 0 }
.board .score { font-size: 1.05rem; font-weight: 600 }
.board summary { color: var(--quiet); font-size: .85em }
.board .seed { min-width: 4.5rem }
.board ul { padding: 0; margin: .2rem 0; list-style: none; font-size: .85em }
.bar { display: block; width: 7rem; height: .7rem; margin-top: .15rem }
.bar .axis { stroke: var(--line); stroke-width: 2 }
.bar .range { fill: var(--one); opacity: .45 }
.bar .mean { fill: var(--text) }
.run { border: 1px solid var(--line); border-radius: .4rem; margin: .6rem 0; padding: .6rem .9rem }
.run > summary > .quiet { display: block }
.train, .valid { fill: none; stroke-width: 2; stroke-linejoin: round }
.train { stroke: var(--one) }
.valid { stroke: var(--two); stroke-dasharray: 6 3 }
.dot-train { fill: var(--one) }
.dot-valid { fill: var(--two) }
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
  .confusion th, .confusion thead td { position: static }
  .confusion td { print-color-adjust: exact }
}
"""
# The strongest shade has opacity .68, so that text is readable on it in the light and the dark scheme.
STYLE += "".join(
    f".{kind}{shade} {{ background: rgb(var(--{name}) / {0.68 * shade / SHADES:.3f}) }}\n"
    for kind, name in (("r", "right"), ("w", "wrong"))
    for shade in range(1, SHADES + 1)
)


def span(numbers: Sequence[int]) -> str:
    """Return the range of some numbers, such as ``"15 to 30"``, or ``"30"`` if all are equal."""
    low, high = min(numbers), max(numbers)
    return f"{low:d}" if low == high else f"{low:d} to {high:d}"


def marked(strategy: str) -> str:
    """Return a split strategy as HTML; a leaky one is highlighted."""
    return f'<span class="leaky">{text(strategy)}</span>' if "(leaky)" in strategy else text(strategy)
