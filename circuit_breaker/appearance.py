"""How the admin looks: its title, and the sidebar grouped as a reader of the product thinks.

Plain data for django-unfold, kept out of `settings.py` because nothing here changes behaviour. Every model of the admin
is in exactly one group, which a test checks.
"""

from django.utils.functional import lazy

GROUPS = {
    "Gateway": [
        ("Providers", "hub", "llm_provider"),
        ("Models and prices", "neurology", "llm_model"),
        ("Gateways", "router", "llm_gatewaystate"),
    ],
    "Money": [
        ("Calls", "receipt_long", "billing_call"),
        ("Usage by day", "monitoring", "billing_dailyusage"),
    ],
    "Workflows": [
        ("Workflows", "account_tree", "workflows_workflow"),
        ("Cases", "cases", "workflows_case"),
        ("Tasks", "task_alt", "workflows_humantask"),
        ("Tokens", "token", "workflows_token"),
        ("Firings", "bolt", "workflows_firing"),
        ("Effects", "outbox", "workflows_outboxeffect"),
        ("Actions of places", "touch_app", "workflows_placeaction"),
        ("Stored rules", "rule", "workflows_storedrule"),
        ("Incoming webhooks", "call_received", "workflows_incomingwebhook"),
        ("Outgoing webhooks", "call_made", "workflows_webhooksubscription"),
    ],
    "Agents": [
        ("Agents", "smart_toy", "agents_agent"),
        ("Places with agents", "pin_drop", "agents_placeagentconfig"),
        ("Executions", "play_circle", "agents_agentexecution"),
    ],
    "Accounts": [
        ("API keys", "vpn_key", "billing_apikey"),
        ("Users", "person", "auth_user"),
        ("Groups", "group", "auth_group"),
    ],
}


def _link(page: str) -> object:
    """The page's address, found when it is shown: settings are read before there are any URLs."""

    def found() -> str:
        from django.urls import reverse  # slow to load, and `serve` never shows the admin

        return reverse(f"admin:{page}_changelist")

    return lazy(found, str)()


UNFOLD = {
    "SITE_TITLE": "Circuit Breaker",
    "SITE_HEADER": "Circuit Breaker",
    "SITE_SYMBOL": "electric_bolt",
    "SHOW_HISTORY": True,
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": group,
                "separator": True,
                "items": [{"title": title, "icon": icon, "link": _link(page)} for title, icon, page in pages],
            }
            for group, pages in GROUPS.items()
        ],
    },
}
