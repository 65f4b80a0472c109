"""Recipes: one YAML file for each training that we publish, typed when read."""

from .reading import dump_recipe, load_recipe, parse_recipe, recipe_names, recipe_values
from .schema import ClassifyRecipe, Recipe
from .schema_detect import DetectRecipe
from .schema_distill import DistillRecipe
from .schema_embed import EmbedRecipe
from .schema_semi import MiningRecipe, SemiRecipe
from .schema_text import TextDetectRecipe, TextDirectionRecipe, TextRecogniseRecipe

__all__ = [
    "ClassifyRecipe",
    "DetectRecipe",
    "DistillRecipe",
    "EmbedRecipe",
    "MiningRecipe",
    "Recipe",
    "SemiRecipe",
    "TextDetectRecipe",
    "TextDirectionRecipe",
    "TextRecogniseRecipe",
    "dump_recipe",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
    "recipe_values",
]
