"""Dashboards drawn by Grafana's own components (@grafana/ui) in headless Chromium: pictures, and what panels show."""

import mimetypes
import subprocess
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, sync_playwright

PROJECT: Final = Path(__file__).parents[1] / "grafana_ui"
WIDTH: Final = 1440
_HOST: Final = "dashboards.invalid"
_ROW: Final = 38
_STRIP: Final = 120
_PATIENCE_MS: Final = 60_000
Mode = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one panel shows. ``cut``: its title is longer than its place."""

    id: int
    kind: str
    title: str
    text: str
    cut: bool


@dataclass(slots=True)
class Drawing:
    """A browser with the page that draws. ``strange``: what it asked for beyond the page; ``errors``: what it said."""

    page: Page
    strange: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def draw(
        self,
        dashboard: Mapping[str, Any],
        answers: Iterable[Mapping[str, Any]],
        chosen: Iterable[tuple[str, str]] = (),
        mode: Mode = "dark",
        width: int = WIDTH,
    ) -> list[Shown]:
        """Draw one dashboard's JSON with its answers (``panel``, ``ref_id``, ``raw``, ``from_ms``, ``to_ms``)."""
        content = {
            "answers": [dict(one) for one in answers],
            "chosen": [{"label": label, "value": value} for label, value in chosen],
            "dashboard": dict(dashboard),
            "mode": mode,
            "width": width,
        }
        # Tables draw only what is in sight, and pictures of what is not shift the page under them.
        bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        self.page.set_viewport_size({"width": width, "height": _STRIP + bottom * _ROW})
        return [Shown(**one) for one in self.page.evaluate("content => window.draw(content)", content)]

    def picture(self, path: Path) -> Path:
        """Write what was drawn last as PNG."""
        path.write_bytes(self.page.locator("#dashboard").screenshot(animations="disabled", timeout=_PATIENCE_MS))
        return path

    def boxes(self) -> dict[int, tuple[int, int, int, int]]:
        """Return each panel's left, top, right and bottom in the picture, pixels, by its id."""
        script = """() => [...document.querySelectorAll('[data-panel]')].map(box => {
            const [own, all] = [box, document.getElementById('dashboard')].map(one => one.getBoundingClientRect());
            return [Number(box.dataset.panel), own.left - all.left, own.top - all.top, own.right - all.left,
                    own.bottom - all.top];
        })"""
        return {int(one[0]): tuple(round(edge) for edge in one[1:]) for one in self.page.evaluate(script)}

    def time_range(
        self, opens_with: str, time_from: str | None, time_shift: str | None, now_ms: int
    ) -> tuple[int, int]:
        """Return the time range that Grafana gives a panel, milliseconds."""
        script = "([from, timeFrom, timeShift, now]) => window.range(from, timeFrom, timeShift, now)"
        from_ms, to_ms = self.page.evaluate(script, [opens_with, time_from, time_shift, now_ms])
        return from_ms, to_ms

    def units(self) -> set[str]:
        """Return the units that Grafana knows by name."""
        return set(self.page.evaluate("() => window.units()"))


def bundle(folder: Path) -> Path:
    """Write the page that draws into ``folder``, from the packages that npm installed."""
    subprocess.run(["node", "bundle.mjs", str(folder)], cwd=PROJECT, check=True, timeout=120)
    return folder


@contextmanager
def drawing(folder: Path, chromium: str) -> Generator[Drawing, None, None]:
    """Yield a browser that shows the page of ``folder``. The page is served from the folder without a server."""
    with sync_playwright() as playwright:
        switches = ["--disable-dev-shm-usage", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=chromium, args=switches)
        try:
            context = browser.new_context(
                viewport={"width": WIDTH, "height": 1000}, locale="en-US", timezone_id="UTC", reduced_motion="reduce"
            )
            page = context.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            drawn = Drawing(page)
            page.route("**/*", lambda route: _serve(route, folder, drawn.strange))
            page.on("pageerror", lambda error: drawn.errors.append(str(error)))
            page.on("console", lambda said: drawn.errors.append(said.text) if said.type == "error" else None)
            page.goto(f"http://{_HOST}/index.html")
            yield drawn
        finally:
            browser.close()


def _serve(route: Route, folder: Path, strange: list[str]) -> None:
    address = urlsplit(route.request.url)
    path = folder / address.path.lstrip("/")
    if address.netloc == _HOST and path.is_file():
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        route.fulfill(body=path.read_bytes(), content_type=kind)  # Playwright reads files in threads that it keeps
        return
    strange.append(route.request.url)
    route.abort()
