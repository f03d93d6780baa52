"""Which way leads to a provider: straight, or through a forward proxy the environment names.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in capitals or small letters (small ones win, as in curl). NO_PROXY
holds names (also of all their subdomains), addresses, networks such as 10.0.0.0/8, each with an optional port, or `*`.
The machine's own loopback addresses are never asked for through a proxy, which would look for them on itself.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec


class Proxies(msgspec.Struct, frozen=True):
    """Proxy URLs, "" for none. They may hold a password, so they are in no repr."""

    http: str = ""
    https: str = ""
    exempt: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Proxies(http={bool(self.http)}, https={bool(self.https)}, exempt={self.exempt!r})"

    def towards(self, host: str, port: int, tls: bool) -> str:
        """The proxy for calls to this origin, or ""."""
        proxy = self.https if tls else self.http
        return "" if not proxy or _is_loopback(host) or self._exempts(host.lower(), port) else proxy

    def _exempts(self, host: str, port: int) -> bool:
        for rule in self.exempt:
            name, separator, wanted = rule.rpartition(":")
            if separator and wanted.isdigit() and ":" not in name.strip("[]").replace("::", ""):
                if int(wanted) != port:
                    continue
                rule = name
            if rule == "*" or _covers(rule.strip("[]"), host):
                return True
        return False


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """Raises ValueError naming the variable, without its value."""
    everything = _proxy(environment, "ALL_PROXY")
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return Proxies(
        _proxy(environment, "HTTP_PROXY") or everything,
        _proxy(environment, "HTTPS_PROXY") or everything,
        tuple(one.strip().lower() for one in exempt.split(",") if one.strip()),
    )


def _proxy(environment: Mapping[str, str], name: str) -> str:
    url = (environment.get(name.lower()) or environment.get(name) or "").strip()
    if not url:
        return ""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name} must be the URL of an HTTP proxy, such as http://proxy.example:3128.")
    return url


def _covers(rule: str, host: str) -> bool:
    name = rule.removeprefix("*").removeprefix(".")
    if host == name or host.endswith(f".{name}"):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
