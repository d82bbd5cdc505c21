"""Page: the tags and texts of an HTML page, for tests."""

from __future__ import annotations

from html.parser import HTMLParser


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
