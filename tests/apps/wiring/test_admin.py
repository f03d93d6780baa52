"""The admin's sidebar and pages."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from circuit_breaker.appearance import GROUPS

PAGES = [page for pages in GROUPS.values() for _, _, page in pages]


def test_every_model_of_the_admin_is_in_the_sidebar_once() -> None:
    registered = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    assert sorted(PAGES) == sorted(registered)


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_administrator_and_shows_the_groups(page: str) -> None:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("admin", "a@example.com", "x"))
    app, _, model = page.partition("_")
    shown = client.get(f"/admin/{app}/{model}/")
    assert shown.status_code == 200
    for group in GROUPS:
        assert group in shown.content.decode()


@pytest.mark.django_db
def test_nobody_gets_in_without_a_login() -> None:
    answer = Client(headers={"host": "localhost"}).get("/admin/")
    assert (answer.status_code, answer["location"]) == (302, "/admin/login/?next=/admin/")
