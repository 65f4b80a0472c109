"""Assigners: which points of a detector have to find which true box; one a file."""

from .atss import atss
from .common import Assigned, BoxTargets
from .simota import simota
from .tal import tal

__all__ = ["Assigned", "BoxTargets", "atss", "simota", "tal"]
