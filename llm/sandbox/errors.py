"""What the sandbox refuses. `Refusal` is raised by readers of requests and caught once, in `replies.py`.

How a refusal looks is each wire's own business (`Wire.error` in `wire.py`).
"""


class Refusal(Exception):
    """A request the sandbox answers with an error. `status` is the HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
