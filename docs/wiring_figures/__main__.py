"""``python -m docs.wiring_figures`` writes every picture into docs/images/wiring/."""

from docs.wiring_figures.description import IMAGES, load_figures
from docs.wiring_figures.drawing import draw


def main() -> None:
    """Write what figures.toml describes."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for figure in load_figures():
        (IMAGES / f"{figure.id}.svg").write_text(draw(figure), encoding="utf-8")


if __name__ == "__main__":
    main()
