"""Recipes: one YAML file for each training that we publish, typed when read."""

from .reading import dump_recipe, load_recipe, parse_recipe, recipe_names
from .schema import ClassifyRecipe

__all__ = ["ClassifyRecipe", "dump_recipe", "load_recipe", "parse_recipe", "recipe_names"]
