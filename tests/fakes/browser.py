"""A real browser with one page in it, for the length of a block; nothing of it stays.

What a test waits for in the page has to be a function, ``"() => ..."``: an expression is read anew at each look,
which the page's policy forbids from the second on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE_MS: Final = 60_000
DESKTOP: Final = (1360, 900)
PHONE: Final = (360, 780)
Scheme = Literal["light", "dark"]


@dataclass(slots=True)
class Seen:
    """A page, what it asked for, and what its console complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Go there, and wait until that page is drawn with a first picture of the fleet."""
        self.page.goto(address)
        self.page.wait_for_function("() => document.getElementById('main').dataset.page === location.hash")
        self.page.wait_for_selector("html[data-shown]", state="attached")

    def wait_shown(self, t_unix_ns: int) -> None:
        """Wait until the page shows the fleet as it was at this time."""
        self.page.wait_for_function("t => Number(document.documentElement.dataset.shown) === t", arg=t_unix_ns)

    def text(self, selector: str) -> str:
        """Return the text of the first element that fits."""
        return self.page.locator(selector).first.inner_text()

    def raw(self, identifier: str) -> str | None:
        """Return the full value behind a figure."""
        return self.page.locator(f"#{identifier}").get_attribute("value")


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """Start a browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light", **options: Any
) -> Iterator[Seen]:
    """Open a page of its own, without anything that an earlier one stored."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce", **options
    )
    context.set_default_timeout(PATIENCE_MS)
    seen = Seen(context.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("console", lambda message: seen.complaints.append(message.text) if message.type == "error" else None)
    try:
        yield seen
    finally:
        context.close()
