from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saccade.cli import app
from saccade.cli.app import VERBS, Verb, main


def saccade(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "saccade.cli.app", *arguments],
        capture_output=True,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def add_verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """A verb ``probe`` with the given body."""
    module = f"probe_verb_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(f"def probe() -> None:\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(VERBS, "probe", Verb(f"{module}:probe", "A probe."))
    importlib.invalidate_caches()


def test_help_lists_the_verbs_quickly_and_imports_none() -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        done = saccade("--help")
        took.append(time.perf_counter() - start)
    assert done.returncode == 0
    for name, verb in VERBS.items():
        assert f"  {name} " in done.stdout
        assert verb.help in done.stdout
    # The promise is 0.5 s; the rest is for machines that are busy.
    assert min(took) < 1.5
    code = (
        "import sys; from saccade.cli.app import main; main(['--help'])\n"
        "heavy = {'torch', 'onnx', 'pydantic', 'numpy', 'cv2', 'onnxruntime'}\n"
        "print('heavy:', heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("heavy: set()\n"), done


def test_no_verb_at_all_is_a_question_for_help() -> None:
    assert saccade().stdout == saccade("--help").stdout


def test_a_group_without_a_verb_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery"]) == 0
    assert "saccade gallery [OPTIONS]" in capsys.readouterr().out


def test_version() -> None:
    assert saccade("--version").stdout == "saccade 0.1.0.dev0\n"


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert f"\n    saccade {name}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasify"], "no verb 'clasify'; did you mean 'classify'? (see: saccade --help)"),
        (["--verison"], "No such option: --verison"),
        (["classify"], "Missing argument 'IMAGE' (see: saccade classify --help)"),
        (["classify", "--tpo", "3", "a.jpg"], "No such option: --tpo"),
        (["classify", "--top", "many", "a.jpg"], "Invalid value for '--top'"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], message: str) -> None:
    done = saccade(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("saccade: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


FAULT = "raise RuntimeError('what\\nnow')"


def test_a_fault_of_ours_is_one_line_and_70(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_verb(monkeypatch, tmp_path, FAULT)
    monkeypatch.delenv("SACCADE_DEBUG", raising=False)
    assert main(["probe"]) == 70
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "saccade: internal error, RuntimeError: what now; set SACCADE_DEBUG=1 for the traceback, "
        "and please report it\n"
    )


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_verb(monkeypatch, tmp_path, FAULT)
    monkeypatch.setenv("SACCADE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["probe"])


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("from saccade.errors import OptionError; raise OptionError('a\\nb')", 1, "saccade: a b\n"),
        ("raise KeyboardInterrupt", 130, "saccade: interrupted\n"),
        ("raise MemoryError", 1, "saccade: out of memory"),
        ("import torch_is_not_here", 70, "internal error, ModuleNotFoundError"),
        (
            "raise ModuleNotFoundError('x', name='torch.nn')",
            1,
            "package 'torch', which is not installed; run: pip install 'saccade[train]'\n",
        ),
        ("import typer; raise typer.Exit(5)", 5, ""),
        ("return None", 0, ""),
    ],
)
def test_how_verbs_end(
    body: str,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_verb(monkeypatch, tmp_path, body)
    assert main(["probe"]) == status
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == (1 if message else 0)


def test_a_workshop_without_torch_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_verb(monkeypatch, tmp_path, "pass")
    module = next(tmp_path.glob("probe_verb_*.py"))
    module.write_text("import torch\n")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["probe", "--help"]) == 1
    assert "pip install 'saccade[train]'" in capsys.readouterr().err


def test_the_runtime_never_imports_the_workshop() -> None:
    for path in Path(app.__file__).parents[1].rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import saccade_train" not in text, path
        assert "from saccade_train" not in text, path


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")
def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text(
        "import time\ndef probe() -> None:\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    code = (
        # A shell starts what runs in the background with this signal ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from saccade.cli.app import VERBS, Verb, main\n"
        "VERBS['probe'] = Verb('waiting:probe', 'A probe.'); sys.exit(main(['probe']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "saccade: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")
def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "def probe() -> None:\n    for _ in range(100_000):\n        print('line of output')\n"
    )
    code = (
        "import sys; from saccade.cli.app import VERBS, Verb, main\n"
        "VERBS['probe'] = Verb('chatty:probe', 'A probe.'); sys.exit(main(['probe']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=120)
    assert (process.returncode, err) == (141, "")
