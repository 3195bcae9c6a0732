"""The installer as one file that any Python from 3.8 on runs: ``installer.pyz`` of a bundle.

The same sources make the same bytes: names in order, no times, nothing compressed that a zlib could do differently.
"""

import io
import zipfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "edgejoule_onboard"
_START: Final = b"#!/usr/bin/env python3\n"
_MAIN: Final = f"import sys\n\nfrom {PACKAGE}.cli import main\n\nsys.exit(main())\n"
_TIME: Final = (1980, 1, 1, 0, 0, 0)


def installer_zipapp() -> bytes:
    """Return its bytes."""
    folder = Path(__file__).parent / "onboard"
    files = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in folder.glob("*.py") if path.name != "__main__.py"}
    files["__main__.py"] = _MAIN.encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return _START + held.getvalue()
