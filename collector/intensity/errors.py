"""What a source of grid intensity raises when it cannot answer. The attribute answers: what now?"""


class SourceError(Exception):
    """A source gave no usable values; the text is one line that names it and says what to look at, never a key.

    ``retry``: whether the same question can be answered later (the server is away, busy or asks for patience). Where
    not, somebody must change a setting or a key first, or what the server says can no longer be read.
    ``retry_after_s``: how long the server asks to wait before the next try, None where it says nothing.
    ``status``: of the answer, None where there was none. ``said``: the server's own words, "" where it said nothing.
    """

    def __init__(
        self,
        text: str,
        *,
        retry: bool,
        retry_after_s: float | None = None,
        status: int | None = None,
        said: str = "",
    ) -> None:
        super().__init__(text)
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.status = status
        self.said = said
