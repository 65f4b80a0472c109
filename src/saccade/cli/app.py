"""The command ``saccade``: one table of verbs, each loaded when it is called.

Nothing heavy is imported here, so that ``saccade --help`` answers at once. The verbs of the
workshop need ``pip install 'saccade[train]'``; they are reached by name only, since ``saccade``
never imports ``saccade_train``.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from saccade import __version__
from saccade.errors import MissingExtra, SaccadeError, nearest

__all__ = ["VERBS", "app", "main"]


class Verb(NamedTuple):
    """Where a verb lives, and what ``saccade --help`` says about it."""

    home: str
    help: str


# A home is "module:name" of a function, or of a Typer app for a verb with verbs of its own.
VERBS = {
    "look": Verb("saccade.cli.look:look", "Everything in one glance at a picture."),
    "read": Verb("saccade.cli.read:read", "The text in pictures and PDF files."),
    "detect": Verb("saccade.cli.detect:detect", "The objects in pictures and videos."),
    "classify": Verb("saccade.cli.classify:classify", "The top classes of pictures."),
    "recognize": Verb("saccade.cli.recognize:recognize", "Name pictures by a gallery."),
    "gallery": Verb("saccade.cli.gallery:app", "Make, fill, list and search galleries."),
    "models": Verb("saccade.cli.models:app", "The models shipped with Saccade, and their cards."),
    "verify": Verb("saccade.cli.verify:verify", "Prove that model files are what they say."),
    "bench": Verb("saccade.cli.bench:bench", "Measure latency, throughput and memory of models."),
    "convert": Verb("saccade.cli.convert:convert", "Labelled boxes: COCO, VOC, YOLO."),
    "label": Verb("saccade.cli.label:label", "List the pictures a teacher is surest of."),
    "fuse": Verb("saccade.cli.fuse:fuse", "Merge COCO result files of several models."),
    "train": Verb("saccade_train.cli.train:train", "Train a network by a recipe."),
    "distill": Verb("saccade_train.cli.distill:distill", "Teach a small network by a larger one."),
    "eval": Verb("saccade_train.cli.evaluate:evaluate", "Measure a model on labelled pictures."),
    "export": Verb("saccade_train.cli.export:export", "Make a model file from a training."),
    "import": Verb("saccade_train.cli.import_:import_", "Make a model file from Paddle weights."),
    "synth": Verb("saccade_train.cli.synth:app", "Make pictures of text, with labels."),
}

# The extra that brings a package, for the message when it is missing.
_EXTRAS = {
    "lightning": "train",
    "lightning_fabric": "train",
    "onnx": "train",
    "onnxscript": "train",
    "openvino": "openvino",
    "pypdfium2": "pdf",
    "pydantic": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "torch": "train",
    "yaml": "train",
}

# The control character keeps the lines that follow from being filled up.
_EPILOG = """\
\b
Examples:
  saccade read receipt.jpg
  saccade detect street.jpg --model my.onnx --draw answer.jpg
  saccade classify photo.jpg
  saccade gallery create shelf.gallery && saccade gallery add shelf.gallery products/
  saccade recognize photo.jpg --gallery shelf.gallery

Every verb explains itself: saccade VERB --help
"""


class _StoppedError(Exception):
    """The user or the reader of the output stopped the work.

    Typer has answers of its own to Ctrl-C and to a closed pipe, which differ between its versions.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in with the one-line help."""
        verb = VERBS.get(cmd_name)
        return None if verb is None else TyperCommand(name=cmd_name, help=verb.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no verb {args[0]!r}; {nearest(args[0], VERBS)}")
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _StoppedError(130, "interrupted") from None
        except BrokenPipeError:
            raise _StoppedError(141, "") from None


app = typer.Typer(
    cls=_LazyGroup,
    help="Saccade sees, reads and recognises on a CPU.",
    epilog=_EPILOG,
    add_completion=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saccade {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Those behind the program's name; None takes them from ``sys.argv``.

    Returns:
        The exit status: 0; 1 when something could not be done, which a line on stderr tells; 2 for
        a command that was not understood; 70 for a fault of ours; 130 after Ctrl-C; 141 when the
        reader of the output went away.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    # Python has no stream where the caller closed it ("saccade ... >&-", some services).
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is shown in escapes, not answered by a crash.
            stream.reconfigure(errors="backslashreplace")
    debug = os.environ.get("SACCADE_DEBUG", "") not in ("", "0")
    try:
        command = typer.main.get_command(app)
        result = command.main(arguments or ["--help"], prog_name="saccade", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (SaccadeError, _StoppedError) as error:
        if debug and isinstance(error, SaccadeError):
            raise
        return _stop(error)
    except KeyboardInterrupt:
        return _stop(_StoppedError(130, "interrupted"))
    except BrokenPipeError:
        return _stop(_StoppedError(141, ""))
    except Exception as error:
        if _is_usage_error(error):
            return _report_usage(error)
        if debug:
            raise
        return _report_fault(error)


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _load(name: str) -> Any:
    """Import a verb and make a command of it."""
    module, _, attribute = VERBS[name].home.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = _missing_extra(error)
        raise error if missing is None else missing from error
    if isinstance(loaded, typer.Typer):
        return typer.main.get_command(loaded)
    shell = typer.Typer(add_completion=False, rich_markup_mode=None)
    shell.command(name)(loaded)
    return typer.main.get_command(shell)


def _missing_extra(error: ModuleNotFoundError) -> MissingExtra | None:
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    return None if extra is None else MissingExtra(package, extra, "this verb")


def _is_usage_error(error: Exception) -> bool:
    # The class has moved from click into Typer; its shape has not changed.
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _report_usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())  # noqa: T201
        return 0
    place = context.command_path if context is not None else "saccade"
    message = " ".join(error.format_message().split()).rstrip(".")
    _say(f"{message} (see: {place} --help)")
    return int(error.exit_code)


def _report_fault(error: Exception) -> int:
    if isinstance(error, ModuleNotFoundError) and (missing := _missing_extra(error)):
        _say(str(missing))
        return 1
    if isinstance(error, MemoryError):
        _say("out of memory; use smaller pictures or a smaller --batch")
        return 1
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _say(f"cannot write {error.filename or 'the output'}: the disk is full; free some space")
        return 1
    detail = " ".join(str(error).split())
    _say(
        f"internal error, {type(error).__name__}: {detail}; "
        "set SACCADE_DEBUG=1 for the traceback, and please report it"
    )
    return 70


def _stop(error: SaccadeError | _StoppedError) -> int:
    if not isinstance(error, _StoppedError):
        _say(str(error))
        return 1
    if str(error):
        _say(str(error))
    else:
        # The interpreter flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return error.code


def _say(message: str) -> None:
    print(f"saccade: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
