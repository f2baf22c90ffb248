"""Makes the pictures of the documentation anew: `python -m tools.pictures [console] [architecture]`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from local.paths import ROOT
from tools.pictures.architecture import draw_architecture
from tools.pictures.console import shoot_console

IMAGES = ROOT / "docs" / "images"
PICTURES: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "architecture": ("architecture.svg", draw_architecture),
    "console": ("console.png", shoot_console),
}


def main(names: list[str]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        file, draw = PICTURES[name]
        draw(IMAGES / file)
        print(IMAGES / file, (IMAGES / file).stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
