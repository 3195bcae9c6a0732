"""What the device has replied to orders, on disk in ``reply/``: see ``edge_agent.record_spool``."""

from pathlib import Path
from typing import Final

from edge_agent.record_spool import MAX_STORED, RecordSpool, SpoolKind
from edge_agent.wire.orders import CommandReply

REPLIES: Final = SpoolKind("reply", CommandReply, "reply_id", "reply", "replies", "leave figures out of its result")


class ReplySpool(RecordSpool[CommandReply]):
    """The spool of replies."""

    def __init__(self, state_dir: Path, *, max_stored: int = MAX_STORED) -> None:
        """Open or create ``state_dir/reply``. Raises ConfigurationError when that cannot be done."""
        super().__init__(state_dir, REPLIES, max_stored=max_stored)
