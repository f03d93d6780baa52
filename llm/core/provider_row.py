"""What a row of the table of providers says: where one is, how it takes a key, what of a request it takes otherwise.

A row is data; nothing here knows any provider. Next file: `providers.py`, the rows.
"""

import msgspec


class ProviderRow(msgspec.Struct, frozen=True):
    """One known provider."""

    name: str
    """Its slug: in `provider/model`, in records, in the snapshot."""
    title: str
    provider_type: str
    base_url: str
    """With the version path, without a slash at the end; empty where every customer has their own."""
    prefixes: tuple[str, ...]
    """Environment names start with these: `<prefix>_API_KEY`, `<prefix>_API_KEYS`, `<prefix>_BASE_URL`."""
    source: str
    version_path: str = "/v1"
    """Added to a base URL given without any path, as in `ANTHROPIC_BASE_URL=https://api.anthropic.com`."""
    auth: str = "bearer"
    dialect: str = "openai"
    local: bool = False
    """A server of one's own: free of charge, and a key only if it was started with one."""
    members: dict[str, str | None] = {}
    """Members of a request it knows under another name, or refuses (None): see `request_fit.py`."""
    leaves_out: tuple[str, ...] = ()
    """Members that translated requests do not carry to it. What a client of its wire sends itself passes: the address
    may be another server's, and who writes a member means it."""
    prices: str = ""
    """Its name in the kept price list, where that is not ours."""

    @property
    def versioned(self) -> bool:
        """Whether its addresses may need an `api-version`: `<prefix>_API_VERSION` is read, too."""
        return self.dialect == "azure"

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that is read for it."""
        ends = ("API_KEY", "API_KEYS", "BASE_URL", *(("API_VERSION",) if self.versioned else ()))
        return tuple([f"{prefix}_{end}" for prefix in self.prefixes for end in ends])

    @property
    def key_optional(self) -> bool:
        """Whether it may be called without a key although it could take one."""
        return self.local or self.name == "custom"
