"""``python -m docs.wiring_figures`` writes the pictures of docs/images/wiring/ and the table of meters-to-buy.md."""

from docs.wiring_figures.description import IMAGES, load_figures
from docs.wiring_figures.drawing import draw
from docs.wiring_figures.limits import PAGE, written_again


def main() -> None:
    """Write what figures.toml and the data sheets say."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for figure in load_figures():
        (IMAGES / f"{figure.id}.svg").write_text(draw(figure), encoding="utf-8")
    PAGE.write_text(written_again(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
