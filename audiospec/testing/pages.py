"""Page: a page of ours, taken apart."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """The tags and texts of a page; fails if a tag is closed that is not open.

    Parameters
    ----------
    page : str
        HTML.

    Attributes
    ----------
    tags : list of (str, dict)
        Names and attributes, in order.
    texts : list of str
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
        """Take note of a tag, and that it is open if it has to be closed."""
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        if tag not in self.void and tag not in self.optional:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last; nothing else may be closed."""
        if tag not in self.optional:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take note of a text."""
        self.texts.append(data)

    @property
    def labels(self) -> list[str]:
        """What drawings say of themselves."""
        return [str(attributes["aria-label"]) for tag, attributes in self.tags if tag == "svg"]
