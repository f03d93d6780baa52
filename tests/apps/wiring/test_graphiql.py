"""GraphiQL: a browser gets it at both paths, whole, from this server alone."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client


@pytest.mark.parametrize("path", ["/", "/graphql"])
def test_a_browser_gets_the_page(path: str) -> None:
    answer = Client(headers={"host": "localhost"}).get(path, headers={"accept": "text/html,application/xhtml+xml"})
    assert answer.status_code == 200
    assert "GraphiQL" in answer.content.decode()
    assert "script-src 'self'" in answer["content-security-policy"]


def test_the_page_loads_local_files_only_and_they_are_there() -> None:
    page = Client(headers={"host": "localhost"}).get("/", headers={"accept": "text/html"}).content.decode()
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)["']""", page)
    local = [address for address in addresses if address != "data:,"]
    assert len(local) == 9
    assert all(address.startswith("/static/") for address in local)
    assert all(finders.find(address.removeprefix("/static/")) for address in local)
    assert "//" not in page.replace("<!DOCTYPE", "").replace("https://", "!!"), "no address of another host"
    assert "https://" not in page


def test_its_script_names_no_other_host() -> None:
    script = _script()
    assert "http://" not in script and "https://" not in script


def test_its_example_tabs_fit_the_schema() -> None:
    from graphql import parse, validate

    from circuit_breaker.graphql.execution import load_schema

    script = _script()
    tabs = re.findall(r"^  `(.*?)`,$", script, re.DOTALL | re.MULTILINE)
    assert len(tabs) >= 5
    for tab in tabs:
        assert validate(load_schema(), parse(tab)) == [], tab


def _script() -> str:
    path = finders.find("circuit_breaker/graphiql.js")
    assert isinstance(path, str)
    return Path(path).read_text()
