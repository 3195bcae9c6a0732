"""``python3 -m edgejoule.deploy.onboard``: the installer, as it is in a bundle."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
