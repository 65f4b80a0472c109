"""``saccade import``: weights of PaddleClas, -Detection, -OCR or timm in, a model file out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saccade.errors import OptionError

__all__ = ["import_", "read_labels"]


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The .pdparams of PaddleClas, PaddleDetection or PaddleOCR; or a PP-LCNet of "
            "timm: .safetensors, .pth, .pt, .bin. Nothing in it is run.",
        ),
    ],
    arch: Annotated[
        str,
        typer.Option(
            help="The network that the weights belong to, such as lcnet_x1_0, picodet_s or "
            "crnn_lcnet_x1_0."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model file to write, .onnx.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Text file with the name of one class on each line; of a recogniser of text, one "
            "character. Without it classes are called by their numbers."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=32,
            max=4096,
            help="Side of the input, in pixels: of a classifier, by default 224; of a detector, "
            "what it was trained for, by default 416.",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="Which network of a distilled text model: Student, Student2, Teacher. Without it: "
            "the one that fits, a student first."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "",
) -> None:
    """Make a model file from the weights of another framework.

    The model file is compared with the imported network before it appears.

    \b
    Examples:
      saccade import PPLCNet_x1_0_pretrained.pdparams --arch lcnet_x1_0 -o lcnet.onnx
      saccade import ResNet50_vd_pretrained.pdparams --arch resnet50_vd -o resnet.onnx
      saccade import lcnet_100.safetensors --arch lcnet_x1_0 -o lcnet.onnx --labels names.txt
      saccade import picodet_s_320_coco_lcnet.pdparams --arch picodet_s --size 320 -o s.onnx
      saccade import general_PPLCNet_x2_5.pdparams --arch shitu_lcnet_x2_5 -o shitu.onnx
      saccade import general_PPLCNetV2_base.pdparams --arch shitu_v2_lcnet_v2_base -o v2.onnx
      saccade import ch_det.pdparams --arch db_mobilenet_v3_large_x0_5 -o det.onnx
      saccade import ch_rec.pdparams --arch crnn_lcnet_x1_0 -o rec.onnx --labels ppocr_keys.txt
    """  # noqa: D301
    from saccade.imaging.prepare import Prepare
    from saccade_train.export.embed import export_embedder
    from saccade_train.export.onnx import export_model
    from saccade_train.models.detector import DETECTORS
    from saccade_train.paddle.detect_files import convert_paddle_detector
    from saccade_train.paddle.embed import EMBED_ARCHITECTURES, import_embedder
    from saccade_train.paddle.importing import import_classifier
    from saccade_train.paddle.text import TEXT_ARCHITECTURES
    from saccade_train.paddle.text_files import convert_paddle_text

    notes = f"weights imported from {file.name}"
    if arch in TEXT_ARCHITECTURES:
        if size is not None:
            raise OptionError(
                f"--size belongs to classifiers and detectors; {arch} has the sizes of text"
            )
        made = convert_paddle_text(
            file, arch, out, part=part, dictionary=labels, licence=licence, notes=notes
        )
        known = "characters" if made.card.task == "text_recognise" else "classes"
        count = f", {len(made.card.labels)} {known}" if made.card.labels else ""
        typer.echo(f"{made.path}: {arch}{count}, {made.bytes / 1e6:.1f} MB", err=True)
        return
    if part is not None:
        raise OptionError(f"--part belongs to text networks; {arch} is none")
    if arch in DETECTORS:
        made = convert_paddle_detector(
            file,
            arch,
            out,
            labels=lambda count: read_labels(labels, count),
            side=size,
            licence=licence,
            notes=notes,
        )
        count = f"{len(made.card.labels)} classes"
        typer.echo(f"{made.path}: {arch}, {count}, {made.bytes / 1e6:.1f} MB", err=True)
        return
    side = size or 224
    if arch in EMBED_ARCHITECTURES:
        if labels is not None:
            raise OptionError(f"--labels belongs to classifiers; {arch} gives vectors")
        report = export_embedder(
            import_embedder(file, *EMBED_ARCHITECTURES[arch]),
            out,
            prepare=Prepare(side, side, "stretch"),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            licence=licence,
            notes=notes,
        )
        typer.echo(f"{report.path}: {arch}, {report.bytes / 1e6:.1f} MB", err=True)
        return
    model = import_classifier(file, arch)
    # Both sources evaluate a centre crop of 7/8 of the short side; timm resizes bicubically.
    paddle = file.suffix == ".pdparams"
    report = export_model(
        model,
        out,
        labels=read_labels(labels, model.num_classes),
        prepare=Prepare(
            side,
            side,
            "short_crop",
            short=round(side * 8 / 7),
            interpolation="linear" if paddle else "cubic",
        ),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        licence=licence,
        notes=notes,
    )
    typer.echo(
        f"{report.path}: {arch}, {model.num_classes} classes, {report.bytes / 1e6:.1f} MB", err=True
    )


def read_labels(path: Path | None, count: int) -> list[str]:
    """Read one label a line; lines that all begin with their own number lose it.

    (Paddle's ``imagenet1k_label_list.txt`` has lines such as ``0 tench, Tinca tinca``.)

    Args:
        path: the file; ``None`` gives the numbers from 0.
        count: how many labels the model needs.

    Raises:
        OptionError: the file can't be read, or has another number of lines.
    """
    if path is None:
        return [str(number) for number in range(count)]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OptionError(f"labels {path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise OptionError(f"labels {path}: is not text in UTF-8") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != count:
        raise OptionError(
            f"labels {path}: {len(lines)} lines, but the model has {count} classes; "
            "give one line a class"
        )
    if all(line.startswith(f"{number} ") for number, line in enumerate(lines)):
        return [line.split(maxsplit=1)[1] for line in lines]
    return lines
