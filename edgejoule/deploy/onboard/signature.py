"""Whether a bundle is signed by the key that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bundle_format import BundleError
from .bundle_signature import check_signature
from .problems import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    from .bundle_format import Bundle


def check(bundle: Bundle, key: Path) -> None:
    """Raise InstallError unless ``key`` signed this bundle."""
    try:
        check_signature(bundle, key.read_text(encoding="utf-8", errors="replace"), str(key))
    except OSError as error:
        raise InstallError("signature", f"{key}: {error.strerror}", "name the file of a public key") from error
    except BundleError as error:
        remedy = "nothing was changed; edgejoule deploy bundle --sign makes a signed one"
        raise InstallError("signature", str(error), remedy) from error
