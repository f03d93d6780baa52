"""`data:` URLs, as OpenAI's wires carry images and files. Source: https://www.rfc-editor.org/rfc/rfc2397"""

import re

from llm.core.errors import InvalidRequest

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,")


def read_data_url(url: str, where: str) -> tuple[str | None, str]:
    """Its media type, if it names one, and the base64. Raises InvalidRequest naming `where`."""
    found = DATA_URL.match(url)
    if found is None:
        raise InvalidRequest(f"`{where}` must be an http(s) URL or a base64 `data:` URL.", where)
    return found.group(1), url[found.end() :]
