"""Reads a page of the site and says what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}
INTERACTIVE = {"a", "button", "input", "select", "textarea"}


@dataclass
class Element:
    """An element: its attributes, its parent, and all text within."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def within(self, tag: str) -> bool:
        above = self.parent
        while above is not None and above.tag != tag:
            above = above.parent
        return above is not None


class Page(HTMLParser):
    """A parsed page. Unbalanced tags are an error at once."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"repeated attribute in <{tag}>: {names}"
        parent = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        if parent is not None:
            parent.children.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag; `_` in a name of an attribute stands for `-`."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(element.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    @property
    def actions(self) -> list[str]:
        """What can be clicked, as the page marks it."""
        return [e.attributes["data-action"] for e in self.elements if "data-action" in e.attributes]

    def hidden(self, name: str) -> str:
        """The value of a hidden field; every form of the page has the same."""
        values = {e.get("value") for e in self.all("input", type="hidden", name=name)}
        assert len(values) == 1, f"{name}: {values}"
        return values.pop() or ""


def problems(page: Page) -> list[str]:
    """What keeps people from using a page, or lets others abuse it."""
    return [*_structure(page), *_names(page), *_references(page), *_policy(page)]


def _structure(page: Page) -> list[str]:
    found = []
    if page.one("html").get("lang") != "en":
        found.append("no language")
    if not page.one("title").text.strip():
        found.append("no title")
    for landmark in ("main", "header", "footer"):
        tops = [e for e in page.all(landmark) if landmark == "main" or not e.within("main")]
        if len(tops) != 1:
            found.append(f"{len(tops)} of landmark {landmark}")
    levels = [int(e.tag[1]) for e in page.elements if e.tag in ("h1", "h2", "h3", "h4")]
    if levels.count(1) != 1:
        found.append(f"{levels.count(1)} h1")
    if any(deeper > level + 1 for level, deeper in zip([0, *levels], levels, strict=False)):
        found.append(f"a level of headings is skipped: {levels}")
    for element in page.elements:
        if element.tag in INTERACTIVE and (element.within("a") or element.within("button")):
            found.append(f"<{element.tag}> inside something to click")
        parent = element.parent.tag if element.parent else ""
        if element.tag == "li" and parent not in ("ul", "ol"):
            found.append("<li> outside of a list")
        if parent in ("ul", "ol") and element.tag != "li":
            found.append(f"<{element.tag}> in a list")
        if element.tag == "p" and any(
            c.tag in ("div", "p", "ul", "section") for c in element.children
        ):
            found.append("a block inside <p>")
    return found


def _names(page: Page) -> list[str]:
    found = []
    labelled = {e.get("for") for e in page.all("label")}
    for element in page.elements:
        text = element.text.strip() or element.get("aria-label")
        if element.tag in ("button", "a") and not text:
            found.append(f"<{element.tag}> without a name: {element.attributes}")
        is_field = element.tag == "input" and element.get("type") != "hidden"
        if is_field and element.get("id") not in labelled and not element.within("label"):
            found.append(f"<input> without a label: {element.attributes}")
        if element.tag == "img" and "alt" not in element.attributes:
            found.append(f"<img> without alt: {element.attributes}")
        if element.tag == "img" and not {"width", "height"} <= element.attributes.keys():
            found.append("<img> without a size")
        if element.tag == "fieldset" and not any(c.tag == "legend" for c in element.children):
            found.append("<fieldset> without a legend")
        is_region = element.tag in ("nav", "aside") or element.get("role") == "region"
        if is_region and not {"aria-label", "aria-labelledby"} & element.attributes.keys():
            found.append(f"<{element.tag}> without a name")
        if element.tag == "svg" and element.get("aria-hidden") != "true":
            found.append("<svg> that is neither named nor hidden")
        if element.tag == "th" and element.get("scope") not in ("row", "col"):
            found.append("<th> without a scope")
    return found


def _references(page: Page) -> list[str]:
    found = []
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    found += [f"id {name!r} twice" for name in set(ids) if ids.count(name) > 1]
    for element in page.elements:
        for name in ("for", "form", "aria-labelledby", "aria-describedby"):
            for target in (element.get(name) or "").split():
                if target not in ids:
                    found.append(f"{name}={target!r} leads nowhere")
        if (element.get("href") or "").startswith("#") and element.attributes["href"][
            1:
        ] not in ids:
            found.append(f"href={element.get('href')!r} leads nowhere")
    if page.one("a", class_="skip").get("href") != "#main":
        found.append("the skip link does not lead to the content")
    return found


def _policy(page: Page) -> list[str]:
    found = []
    for element in page.elements:
        if element.tag in ("style", "iframe", "object", "embed", "base"):
            found.append(f"<{element.tag}>")
        if element.tag == "script" and (element.text.strip() or not element.get("src")):
            found.append("a script in the page")
        for name, value in element.attributes.items():
            if name == "style" or name.startswith("on"):
                found.append(f"{name}= in <{element.tag}>")
            is_photo = element.tag == "img" and value.startswith("https://")
            if (
                name in ("src", "href", "action")
                and not value.startswith(("/", "#"))
                and not is_photo
            ):
                found.append(f"{name}={value!r} leads away")
        if element.tag == "form" and element.get("method") != "post":
            found.append("a form that is not posted")
    return found
