"""What docs say of packages, from the code: the page of modules, and the picture of layers.

`python docs/site/rooms.py` draws docs/figures/architecture.svg anew (`make architecture`).
"""

import ast
import textwrap
from html import escape
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "backburn"
PICTURE = ROOT / "docs" / "figures" / "architecture.svg"
PAGE = "api/modules.md"
WIDTH, BOX, GAP, SMALL = 960, 58, 10, 11


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """The page of modules: a table for each package, a row a module."""
    if page.file.src_uri != PAGE:
        return markdown
    packages = sorted(path.parent for path in SOURCE.rglob("__init__.py"))
    return "\n\n".join([markdown, *(_table(package) for package in packages)])


def layers() -> list[list[str]]:
    """The layers that `make check` holds, top first, each with the packages in it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(
        each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers"
    )
    return [layer.split(" | ") for layer in contract["layers"]]


def purpose(path: Path) -> str:
    """The first line of a module's or package's docstring."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def picture() -> str:
    """The layers as SVG: a row a layer, a box a package; imports go down only."""
    rows = layers()
    height = len(rows) * (BOX + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="The packages of backburn in layers; imports go down only" '
        'font-family="system-ui, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for place, names in enumerate(rows):
        top = GAP + place * (BOX + GAP)
        wide = (WIDTH - GAP * (len(names) + 1)) / len(names)
        for column, name in enumerate(names):
            parts.extend(_box(name, GAP + column * (wide + GAP), top, wide))
    return "\n".join([*parts, "</svg>", ""])


def _box(name: str, left: float, top: float, wide: float) -> list[str]:
    path = SOURCE / name
    text = purpose(path if path.is_dir() else path.with_suffix(".py"))
    fill = "#fbe9e7" if path.is_dir() else "#f5f5f5"
    lines = textwrap.wrap(text.replace("`", ""), int((wide - 20) / (SMALL * 0.54)))[:2]
    return [
        f'<rect x="{left:.0f}" y="{top}" width="{wide:.0f}" height="{BOX}" rx="6" fill="{fill}" '
        'stroke="#bf360c" stroke-width=".8"/>',
        f'<text x="{left + 10:.0f}" y="{top + 20}" font-size="14" font-weight="600">{name}</text>',
        *(
            f'<text x="{left + 10:.0f}" y="{top + 36 + 14 * row}" font-size="{SMALL}" '
            f'fill="#444">{escape(line)}</text>'
            for row, line in enumerate(lines)
        ),
    ]


def _table(package: Path) -> str:
    name = ".".join(["backburn", *package.relative_to(SOURCE).parts])
    modules = sorted(path for path in package.glob("*.py") if path.name != "__init__.py")
    rows = [f"| `{path.stem}` | {purpose(path).replace('|', '/')} |" for path in modules]
    return "\n".join(
        [f"## {name}", "", purpose(package), "", "| module | what |", "|---|---|", *rows]
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
