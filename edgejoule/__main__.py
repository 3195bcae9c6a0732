"""``python -m edgejoule``."""

import sys

from edgejoule.cli import main

sys.exit(main())
