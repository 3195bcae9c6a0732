"""uPlot comes with its licence, byte for byte as its authors published it."""

import hashlib
from pathlib import Path

import pytest

import collector

STATIC = Path(collector.__file__).parent / "web" / "live" / "static"
PUBLISHED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of dist/uPlot.iife.min.js, dist/uPlot.min.css and LICENSE in the npm package uplot 1.6.32."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_library_is_the_published_one(name: str) -> None:
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == PUBLISHED[name]


def test_its_licence_may_be_shipped() -> None:
    assert "The MIT License" in (STATIC / "uPlot.LICENSE.txt").read_text(encoding="utf-8")
