"""Headless Chromium for the tests and the README's pictures: an installed browser, closed to the outside world."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.acceptance.running import Running

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def chromium() -> str | None:
    """The path of an installed Chromium, under any of its usual names."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


@contextmanager
def open_page(width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page that may talk to loopback only; every other request is refused and makes the caller fail at the end."""
    path = chromium()
    assert path is not None, "no Chromium installed"
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium refuses its sandbox to root
    outside: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS + sandbox)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("request", lambda request: _note_outside(request.url, outside))
        yield page
        browser.close()
    assert outside == [], f"the page asked the internet for {outside}"


def _note_outside(url: str, outside: list[str]) -> None:
    local = ("http://127.0.0.1", "http://localhost", "ws://127.0.0.1", "ws://localhost", "data:", "blob:")
    if not url.startswith(local):
        outside.append(url)


def create_superuser(product: Running, name: str = "admin", password: str = "correct horse battery") -> tuple[str, str]:
    """The first login, made as the start-up banner says: `manage.py createsuperuser`."""
    environment = product.environment | {"DJANGO_SUPERUSER_PASSWORD": password}
    command = [
        sys.executable,
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username",
        name,
        "--email",
        "a@example.com",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return name, password


def log_in(page: Page, product: Running, name: str, password: str) -> None:
    page.goto(f"{product.control_url}/admin/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
