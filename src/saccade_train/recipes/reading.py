"""Read a recipe by name or from a file, with ``key=value`` changes; say clearly what is wrong."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from saccade.errors import OptionError, nearest

from .schema import ClassifyRecipe, Recipe
from .schema_detect import DetectRecipe
from .schema_distill import DistillRecipe
from .schema_embed import EmbedRecipe
from .schema_semi import MiningRecipe, SemiRecipe
from .schema_text import TextDetectRecipe, TextDirectionRecipe, TextRecogniseRecipe

__all__ = ["dump_recipe", "load_recipe", "parse_recipe", "recipe_names", "recipe_values"]

_KINDS: dict[str, type[Recipe]] = {
    "classify": ClassifyRecipe,
    "detect": DetectRecipe,
    "distill": DistillRecipe,
    "embed": EmbedRecipe,
    "mining": MiningRecipe,
    "semi": SemiRecipe,
    "text_detect": TextDetectRecipe,
    "text_direction": TextDirectionRecipe,
    "text_recognise": TextRecogniseRecipe,
}
"""What the key ``task`` may say; without it, a recipe classifies."""


def recipe_names() -> list[str]:
    """Names of the recipes that are shipped."""
    shipped = resources.files(__package__).iterdir()
    return sorted(entry.name[:-5] for entry in shipped if entry.name.endswith(".yaml"))


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Any:
    """Read a recipe.

    Args:
        name_or_path: A shipped name (see :func:`recipe_names`) or the path of a YAML file.
        overrides: Changes such as ``optimiser.lr=0.05``; values are read as YAML.

    Returns:
        The checked recipe, of the class that its key ``task`` asks for.

    Raises:
        OptionError: No such recipe, not YAML, an unknown key, or a value that does not fit.

    Example:
        >>> load_recipe("classify_small", ["epochs=3", "optimiser.lr=0.02"]).epochs
        3
    """
    values, where = recipe_values(name_or_path)
    return parse_recipe(values, overrides, where=where)


def recipe_values(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """What a recipe says, unchecked, and what messages call it; see :func:`load_recipe`."""
    text, where = _text_of(str(name_or_path))
    return _mapping(text, where), where


def parse_recipe(
    values: Mapping[str, Any], overrides: Iterable[str] = (), *, where: str = "recipe"
) -> Any:
    """Check a recipe given as nested mappings; see :func:`load_recipe`."""
    merged = _copied(values)
    for override in overrides:
        _apply(merged, override)
    task = merged.get("task", "classify")
    kind = _KINDS.get(task) if isinstance(task, str) else None
    if kind is None:
        raise OptionError(f"{where}: unknown task {task!r}; {nearest(str(task), _KINDS)}")
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise OptionError(f"{where}: {_explain(error, kind)}") from None


def dump_recipe(recipe: Recipe) -> str:
    """The recipe in full, defaults included, as YAML that :func:`load_recipe` reads back."""
    values = recipe.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _text_of(name_or_path: str) -> tuple[str, str]:
    shipped = recipe_names()
    if name_or_path in shipped:
        entry = resources.files(__package__) / f"{name_or_path}.yaml"
        return entry.read_text("utf-8"), f"recipe {name_or_path!r}"
    path = Path(name_or_path)
    if path.is_file():
        try:
            return path.read_text("utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{path}: cannot be read as text ({error})") from None
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise OptionError(f"{name_or_path}: no such recipe file")
    hint = nearest(name_or_path, shipped)
    raise OptionError(f"no recipe {name_or_path!r}; {hint} (or give the path of a YAML file)")


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise OptionError(f"{where}: not valid YAML: {reason}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise OptionError(f"{where}: a recipe is a mapping of keys, not a {type(values).__name__}")
    return values


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in values.items()}


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise OptionError(
            f"{override!r}: changes to a recipe are written key=value, like epochs=30"
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise OptionError(f"{override!r}: the value is not valid YAML") from None
    *parents, last = key.strip().split(".")
    place = values
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise OptionError(
                f"{override!r}: {parent!r} is a single value, it has no keys below it"
            )
        place = inner
    place[last] = value


def _explain(error: ValidationError, kind: type[Recipe]) -> str:
    """One line for the first mistake, and how many more there are."""
    mistakes = error.errors()
    # A misspelt key is the likeliest cause of all the others: say it first.
    first = next((m for m in mistakes if m["type"] == "extra_forbidden"), mistakes[0])
    location = [str(part) for part in first["loc"]]
    path = ".".join(location)
    if first["type"] == "extra_forbidden":
        message = f"unknown key {path!r}; {_nearest_key(location, kind)}"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        message = f"{path}: {reason}{shown}" if path else reason
    more = len(mistakes) - 1
    return message if more == 0 else f"{message} (and {more} more)"


def _nearest_key(location: Sequence[str], kind: type[Recipe]) -> str:
    """The valid key closest to a mistyped one: among its neighbours first, then anywhere."""
    part: type[BaseModel] = kind
    for name in location[:-1]:
        inner = _part_of(part.model_fields[name].annotation) if name in part.model_fields else None
        if inner is None:
            break
        part = inner
    prefix = "".join(f"{name}." for name in location[:-1])
    here = nearest(location[-1], part.model_fields, count=1)
    if here.startswith("did you mean"):
        close = here.removeprefix("did you mean ").strip("'?")
        return f"did you mean {prefix + close!r}?"
    everywhere = list(_all_keys(kind))
    same_name = [key for key in everywhere if key.rsplit(".", 1)[-1] == location[-1]]
    if same_name:
        return f"did you mean {' or '.join(repr(key) for key in same_name)}?"
    return here


def _part_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (typing.Union, types.UnionType):
        parts = (_part_of(choice) for choice in get_args(annotation))
        return next((part for part in parts if part is not None), None)
    return None


def _all_keys(part: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in part.model_fields.items():
        inner = _part_of(field.annotation)
        if inner is None:
            yield prefix + name
        else:
            yield from _all_keys(inner, f"{prefix}{name}.")
