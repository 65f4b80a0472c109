"""What README and docs say is run: their commands, their Python, their links."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
GUIDES = [REPOSITORY / "README.md", REPOSITORY / "docs" / "quickstart.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def runtime_commands(page: Path) -> list[str]:
    """The shell lines that need the runtime alone: no installation, no training, no torch."""
    lines = [line.strip() for block in blocks(page, "bash") for line in block.splitlines()]
    parts = [part for line in lines for part in line.split(" && ")]
    wanted = ("saccade classify", "saccade gallery", "saccade recognize", "saccade look")
    return [part for part in parts if part.startswith(wanted) and "examples/" in part]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the pictures of the repository, as a fresh clone has them."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_the_commands_and_the_python_of_a_guide_run(page: Path, clone: Path) -> None:
    commands = runtime_commands(page)
    assert len(commands) >= 2
    for command in commands:
        ran = subprocess.run(
            [sys.executable, "-m", "saccade", *_words(command)[1:]],
            cwd=clone,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stderr}"
    snippets = blocks(page, "python")
    assert snippets
    for snippet in snippets:
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", snippet],
            cwd=clone,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, f"{snippet}\n{ran.stderr}"


def test_the_first_command_draws_and_names(clone: Path) -> None:
    gallery, recognize = runtime_commands(GUIDES[0])[:2]
    for command in (gallery, recognize + " --json"):
        ran = subprocess.run(
            [sys.executable, "-m", "saccade", *_words(command)[1:]],
            cwd=clone,
            capture_output=True,
            text=True,
            check=True,
        )
    assert ran.stdout.count("\n") == len(list((clone / "examples" / "queries").iterdir()))
    assert len(list((clone / "answers").iterdir())) == ran.stdout.count("\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_pages_name_no_recipe_that_does_not_exist() -> None:
    recipes = {path.stem for path in (REPOSITORY / "src/saccade_train/recipes").glob("*.yaml")}
    for page in PAGES:
        for name in re.findall(r"saccade train ([a-z0-9_]+)", page.read_text()):
            assert name in recipes, f"{page.name} trains {name}"


def _words(command: str) -> list[str]:

    return shlex.split(command, comments=True)
