"""The public modules: their names, what importing them costs, and that the pages need no others."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from inspect import getsource

import pytest

import backburn
from backburn.registry import ATTACKS, DEFENSES, DETECTORS
from snippets import PAGES, ROOT, python_of

PACKAGES = ("backburn", *(f"backburn.{x}" for x in ("attacks", "baselines", "testing", "toolkits")))
"""Those whose names are imported when they are first used."""
PUBLIC = (*PACKAGES, "backburn.types")
INSIDE = "## Inside the package"
"""From this heading on, a page of the reference is for those who change the package."""

EXAMPLES = {path.name: path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))}
PYTHON = {page: "\n".join(python_of(page)) for page in PAGES if python_of(page)} | EXAMPLES
HOWTOS = [page for page in PAGES if page.startswith("docs/howto/")]
REFERENCE = [f"docs/api/{name}.md" for name in ("extending", "python", "records")]


def imports(tree: ast.AST) -> list[tuple[str, str, str]]:
    """Module, name and new name of each `from ... import`; dots of a relative one are kept."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [
        ("." * node.level + (node.module or ""), each.name, each.asname or each.name)
        for node in found
        for each in node.names
    ]


def imported(code: str) -> set[tuple[str, str]]:
    """Modules of backburn that code imports, each with a name from it, or none."""
    tree = ast.parse(code)
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    modules = {(each.name, "") for node in plain for each in node.names}
    modules |= {(module, name) for module, name, _ in imports(tree)}
    return {(module, name) for module, name in modules if module.split(".")[0] == "backburn"}


def is_public(module: str, name: str) -> bool:
    """Whether a module is public, and so is the name in it, if there is one."""
    return module in PUBLIC and (not name or name in import_module(module).__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_shown(name):
    module = import_module(name)
    assert all(getattr(module, each) is not None for each in module.__all__)
    assert set(module.__all__) <= set(dir(module))
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_type_checker_sees_the_same_names(name):
    package = import_module(name)
    branches = [node for node in ast.parse(getsource(package)).body if isinstance(node, ast.If)]
    seen = [each for node in branches[0].body for each in imports(node)]
    modules = [new for module, _, new in seen if module == "."]
    assert sorted(new for module, _, new in seen if module != ".") == sorted(package.__all__)
    assert {*package.__all__, *modules} == set(dir(package)) - {"__version__"}
    for module, attribute, new in seen:
        if module != ".":
            assert getattr(package, new) is getattr(import_module(module, name), attribute)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_that_is_not_there_is_said_to_be_missing(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        import_module(name).nothing  # noqa: B018


def test_importing_the_packages_imports_nothing_heavy():
    code = f"import sys, {', '.join(PACKAGES)}\n"
    code += "print(*(dir(sys.modules[name]) for name in sys.argv[1:]))\n"
    code += "print(*{'torch', 'numpy', 'scipy', 'sklearn', 'cleanlab'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code, *PACKAGES], capture_output=True, text=True, check=True
    )
    names, heavy = done.stdout.splitlines()
    assert "make_evaluation_set" in names
    assert heavy == ""


def test_public_modules_are_found_in_the_package_without_an_import():
    code = "import backburn; print(backburn.attacks.BadNets.__name__, backburn.types.Case.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["BadNets", "Case"]
    assert {name.partition(".")[2] for name in PUBLIC[1:]} <= set(dir(backburn))


def test_every_method_of_others_is_a_public_class():
    assert {each.__name__ for each in ATTACKS.values()} <= set(backburn.attacks.__all__)
    methods = [*DEFENSES.values(), *DETECTORS.values()]
    others = {each.__name__ for each in methods if ".baselines." in each.__module__}
    assert len(others) > 20
    assert others <= set(backburn.baselines.__all__)


@pytest.mark.parametrize("place", PYTHON)
def test_pages_and_examples_import_public_names_only(place):
    assert [each for each in sorted(imported(PYTHON[place])) if not is_public(*each)] == []


def test_the_howtos_need_five_public_modules():
    used = {module for page in HOWTOS for module, _ in imported(PYTHON.get(page, ""))}
    assert used == set(PUBLIC) - {"backburn.toolkits"}


@pytest.mark.parametrize("page", HOWTOS)
def test_a_howto_names_what_is_public(page):
    for module, name in re.findall(r"`(backburn(?:\.[a-z_]+)*)\.(\w+)\b", PAGES[page]):
        assert is_public(module, name) or f"{module}.{name}" in PUBLIC


@pytest.mark.parametrize("page", REFERENCE)
def test_the_reference_is_of_public_names(page):
    entries = re.findall(r"^::: (\S+)\.(\w+)$", PAGES[page].split(INSIDE)[0], re.MULTILINE)
    assert len(entries) > 10
    assert [entry for entry in entries if not is_public(*entry)] == []


def test_the_reference_lists_every_public_module():
    section = PAGES["docs/api/python.md"].split("## Public modules")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE) == [
        "backburn",
        "backburn.types",
        *PACKAGES[1:],
    ]
    assert "may change without notice" in section
    assert "may change without notice" in PAGES["docs/api/extending.md"]
