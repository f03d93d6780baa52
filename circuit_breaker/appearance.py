"""How the admin looks: its title, and the sidebar grouped as a reader of the product thinks.

Plain data for django-unfold, kept out of `settings.py` because nothing here changes behaviour. A page appears in the
sidebar only if its model is registered in the admin, which a test checks.
"""

from django.utils.functional import lazy


def _page(title: str, icon: str, model: str) -> dict[str, object]:
    return {"title": title, "icon": icon, "link": _link(f"admin:{model}_changelist")}


def _link(name: str) -> object:
    """The page's address, found when it is shown: settings are read before there are any URLs."""

    def found() -> str:
        from django.urls import reverse  # slow to load, and `serve` never shows the admin

        return reverse(name)

    return lazy(found, str)()


UNFOLD = {
    "SITE_TITLE": "Circuit Breaker",
    "SITE_HEADER": "Circuit Breaker",
    "SITE_SYMBOL": "electric_bolt",
    "SHOW_HISTORY": True,
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": []},
}
