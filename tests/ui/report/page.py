"""A page as a checker sees it: its elements, and what is wrong with it for one who does not see or has no network."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Elements in order as (tag, attributes, text inside); `faults` while reading."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.faults: list[str] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag, _, _ in self._open]
        self.faults += list(self._wrong())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1][0] if self._open else 'nothing'}")
            return
        self._open.pop()
        if tag not in ("strong", "span", "code", "a"):
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for _, _, text in self._open:
            text.append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.elements if name == tag]

    def _wrong(self):  # type: ignore[no-untyped-def]
        ids = [attributes["id"] for _, attributes, _ in self.elements if "id" in attributes]
        yield from (f"id {name} twice" for name in set(ids) if ids.count(name) > 1)
        level = 0
        for tag, attributes, text in self.elements:
            if tag in ("h1", "h2", "h3"):
                if int(tag[1]) > level + 1:
                    yield f"{tag} {''.join(text)!r} after h{level}"
                level = int(tag[1])
            if tag == "th" and attributes.get("scope") not in ("row", "col"):
                yield f"header cell without scope: {''.join(text)!r}"
            if tag == "img" and not attributes.get("alt"):
                yield "picture without alt text"
            if tag == "svg" and "aria-labelledby" not in attributes and attributes.get("aria-hidden") != "true":
                yield "picture without a title"
            for name in attributes.get("aria-labelledby", "").split():
                if name not in ids:
                    yield f"{tag} is labelled by {name}, which is not there"
            for name in ("src", "href"):
                target = attributes.get(name, "data:")
                if not target.startswith(("data:image/png;base64,", "data:", "#")) and ("/" in target or ":" in target):
                    yield f"{tag} loads {target[:60]}"
            if tag == "script":
                yield "a script"
            if tag == "table" and attributes.get("class") is None and not text:
                yield "an empty table"
        if len([tag for tag, _, _ in self.elements if tag == "h1"]) != 1:
            yield "not one h1"
