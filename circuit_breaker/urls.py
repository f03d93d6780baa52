"""HTTP paths of the control plane (port 4000). Sockets: `asgi.py`."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from circuit_breaker import health, hooks
from circuit_breaker.graphql.view import GraphQLView

admin.site.site_title = admin.site.site_header = "Circuit Breaker"


def _no_icon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("", GraphQLView.as_view(), name="graphiql"),
    path("graphql", GraphQLView.as_view(), name="graphql"),
    path("graphql/", GraphQLView.as_view()),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", health.metrics, name="metrics"),
    path("hooks/<str:webhook_id>", hooks.take, name="hook"),
    path("admin/", admin.site.urls),
    path("favicon.ico", _no_icon),  # browsers ask for one on every page that names none
]
