"""Run axe on every page of the site, as a phone and as a desktop show it, light and dark: ``make accessible``.

It needs a Chromium on the PATH, or where ``CHROMIUM`` says.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main(site: Path) -> int:
    """Print the violations that axe finds, and pages wider than the screen; return the exit code."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium here: install one, or say where it is: CHROMIUM=/path/to/it make accessible")
    pages = sorted(path.parent.relative_to(site) for path in site.rglob("index.html") if "_modules" not in path.parts)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for screen, (width, height) in SCREENS.items():
                context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
                page = context.new_page()
                for path in pages:
                    page.goto(f"http://127.0.0.1:{server.server_port}/{path}/")
                    where = f"{path} ({screen}, {scheme})"
                    if page.evaluate("document.documentElement.scrollWidth") > width:
                        found += 1
                        print(f"{where}: wider than the screen")
                    for violation in Axe().run(page).response["violations"]:
                        found += len(violation["nodes"])
                        print(f"{where}: {violation['id']}: {violation['help']}")
                        for node in violation["nodes"][:3]:
                            print(f"    {node['html'][:160]}")
                context.close()
        browser.close()
    print(f"{len(pages)} pages, {len(pages) * 4} looks, {found} errors")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
