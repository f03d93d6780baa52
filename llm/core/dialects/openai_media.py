"""Images and files as OpenAI's two wires carry them: by address, as a `data:` URL, or by the id of an uploaded file.

Source: https://platform.openai.com/docs/guides/images-vision, /pdf-files; https://www.rfc-editor.org/rfc/rfc2397.
Next file: `signatures.py`.
"""

import re

from llm.core.conversation import CacheControl, File, Image
from llm.core.errors import InvalidRequest

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,")
WEB = ("http://", "https://")
PDF = "application/pdf"
"""What a file is that does not say."""


def image(url: str, detail: str | None, where: str, cache: CacheControl | None = None) -> Image:
    """`where` is the client's field of the address. Raises InvalidRequest."""
    if url.startswith(WEB):
        return Image(url=url, detail=detail, cache=cache)
    media_type, data = _read(url, where)
    return Image(data=data, media_type=media_type or "image/jpeg", detail=detail, cache=cache)


def file(data: str, name: str | None, where: str, cache: CacheControl | None = None) -> File:
    """Given in the request itself: as an address, a `data:` URL, or base64 alone. Raises InvalidRequest."""
    if data.startswith(WEB):
        return File(url=data, name=name, cache=cache)
    if not data.startswith("data:"):
        return File(data=data, media_type=PDF, name=name, cache=cache)
    media_type, content = _read(data, where)
    return File(data=content, media_type=media_type or PDF, name=name, cache=cache)


def _read(url: str, where: str) -> tuple[str | None, str]:
    """A `data:` URL's media type, if it names one, and the base64."""
    found = DATA_URL.match(url)
    if found is None:
        raise InvalidRequest(f"`{where}` must be an http(s) URL or a base64 `data:` URL.", where)
    return found.group(1), url[found.end() :]
