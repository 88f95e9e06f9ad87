"""What tests of pages share: a reader that sees what a browser would do with one."""

from html.parser import HTMLParser


class Inspector(HTMLParser):
    """Collects what a browser would fetch, the ids, and whether elements close in order."""

    VOID = frozenset({"meta", "link", "path", "use", "br", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "srcset", "action"} and not (value or "").startswith(
                "#"
            ):
                self.fetched.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def inspect(page: str) -> Inspector:
    """Read a page; it must be well-formed."""
    inspector = Inspector()
    inspector.feed(page)
    inspector.close()
    assert inspector.open == []
    return inspector
