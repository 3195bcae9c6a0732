"""A meter on a serial line becomes samples, and samples become joules that admit what they missed.

Usable alone. Only ``stream``, ``meter``, ``capture`` and ``emulate`` touch ports, ptys and files; all else is pure.
"""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())
