"""Shows the report on a loopback address while the demo stays up."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _ReportOnly(SimpleHTTPRequestHandler):
    """Serves ``report.html`` at ``/`` and nothing else."""

    def do_GET(self) -> None:
        if self.path not in {"/", "/report.html"}:
            self.send_error(404)
            return
        self.path = "/report.html"
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing: the terminal belongs to the table."""


@contextmanager
def serve_report(directory: Path) -> Iterator[str]:
    """Serve ``directory/report.html`` on a free loopback port; yields the address."""
    handler = functools.partial(_ReportOnly, directory=str(directory))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, name="demo-page", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
