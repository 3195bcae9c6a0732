"""What a source of grid intensity raises when it cannot answer. The attribute answers: what now?"""


class SourceError(Exception):
    """A source gave no usable values; the text is one line that names it and says what to look at, never a key.

    ``retry``: whether the same question can be answered later (the server is away, busy or asks for patience). Where
    not, somebody must change a setting or a key first, or what the server says can no longer be read.
    """

    def __init__(self, text: str, *, retry: bool) -> None:
        super().__init__(text)
        self.retry = retry
