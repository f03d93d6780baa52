"""A followed stream put together again: the answer as one, for who does not want it in pieces.

Holds the first choice only; whoever asks for several answers reads the stream. Pure. Next file: `following.py`.
"""

from dataclasses import dataclass, field

from llm.core.following import End, Said, StreamFailed, ToolCall


@dataclass
class Answer:
    """What has come so far. Until the stream has ended `end` is None."""

    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    end: End | None = None
    failed: StreamFailed | None = None

    def add(self, step: Said | End) -> None:
        """The next step of the stream. Raises StreamFailed at the end of one that has failed."""
        if isinstance(step, End):
            self.end = step
            if self.failed is not None and not step.cancelled:
                raise self.failed
            return
        if step.error is not None:
            self.failed = StreamFailed(step.error)
            return
        self.texts += [text for choice, text in step.texts if choice == 0]
        self.calls += [call for call in step.calls if call.choice == 0]

    @property
    def text(self) -> str:
        return "".join(self.texts)
