"""Versions of a few lines, each built once, for boards in folders."""

import os
import sys
from pathlib import Path
from typing import Any

from edgejoule.deploy.onboard.configuration import Choice
from edgejoule.deploy.onboard.gate import Gate
from edgejoule.deploy.onboard.install import Order, build_beside, install
from edgejoule.deploy.onboard.layout import Layout
from edgejoule.deploy.onboard.report import Report
from edgejoule.deploy.onboard.service import NoService
from edgejoule.deploy.onboard.switching import Site
from tests.fakes.stand_in_service import CUT, Board
from tests.fakes.tiny_bundle import Behaviour, tiny_bundle

CONFIG = '[device]\nid = "pi"\nstate_dir = "state"\n[meter]\nport = "/dev/edgejoule-meter"\n'
PATIENT = Gate(seconds=60.0)
QUICK = Gate(seconds=1.5)


class Shelf:
    """Versions built once for all tests of this file: on a board they are links, and only what builds takes time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._site = Site(Layout.at(folder / "root"), NoService(), Report(lambda _: None))

    def order(
        self, version: str = "1.0.0", behaviour: Behaviour = "delivers", gate: Gate = PATIENT, **changes: Any
    ) -> Order:
        path = self._folder / f"{version}-{behaviour}.zip"
        bundle = path if path.exists() else tiny_bundle(path, version, behaviour)
        usual = {"choice": Choice(CONFIG.encode()), "compile_files": False, "gate": gate, "python": sys.executable}
        return Order(bundle, **{**usual, **changes})

    def install(self, board: Board, order: Order) -> dict[str, Any]:
        release = build_beside(self._site, Order(order.bundle, python=sys.executable, compile_files=False))["release"]
        link = board.layout.version(release)
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self._site.layout.version(release))
        return install(board.site, order)

    def cut_at(self, call: str, board: Board, order: Order) -> None:
        """Install in a process that ends as by a power cut, when it is about to make ``call``, or ``gate`` begins."""
        child = os.fork()
        if child == 0:
            board.service.cut_at = call
            self.install(board, order)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == CUT
