"""Page: the tags and texts of an HTML page, for tests; a script that measures contrast."""

from __future__ import annotations

from html.parser import HTMLParser

#: A script for a browser: elements whose text has a contrast below 4.5 to 1, which AA requires, each with it.
CONTRAST = """
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const over = (top, bottom) => {
  const alpha = top.length > 3 ? top[3] : 1;
  return [0, 1, 2].map(i => top[i] * alpha + bottom[i] * (1 - alpha));
};
const back = one => {
  if (!one) return parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  return over(parse(getComputedStyle(one).backgroundColor), back(one.parentElement));
};
const light = colour => {
  const [r, g, b] = colour.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
return [...document.querySelectorAll('body *')]
  .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(one => {
    const style = getComputedStyle(one);
    const ink = parse(one.closest('svg') ? style.fill : style.color).slice(0, 3);
    return [ratio(light(ink), light(back(one))), one.outerHTML.slice(0, 90)];
  })
  .filter(([contrast]) => !(contrast >= 4.5));
"""


class Page(HTMLParser):
    """Parse a page into tags and texts; AssertionError if tags are not nested and closed correctly.

    Parameters
    ----------
    page : str
        HTML.

    Attributes
    ----------
    tags : list of (str, dict)
        Names and attributes, in order.
    texts : list of str
        Texts between tags, in order.
    """

    optional = frozenset(("li", "td", "th", "tr", "dt", "dd", "thead", "tbody"))
    void = frozenset(("meta", "link"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag, and that it is open if it must be closed."""
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        if tag not in self.void and tag not in self.optional:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last; AssertionError for any other tag."""
        if tag not in self.optional:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record a text."""
        self.texts.append(data)

    @property
    def labels(self) -> list[str]:
        """Labels of the drawings (the attribute ``aria-label`` of ``svg``)."""
        return [str(attributes["aria-label"]) for tag, attributes in self.tags if tag == "svg"]
