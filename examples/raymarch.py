"""A small ray marcher: one product on a table, under a soft light, in front of a wall.

A product is a signed distance function (negative inside; rays walk by that distance until they
touch, see Hart, "Sphere tracing", The Visual Computer 12, 1996) and a paint function (point and
normal to colour and gloss). Arrays of points and directions are (N, 3) float32; y is up and the
ground is y = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]
Distance = Callable[[Array], Array]  # points (N, 3) -> distances (N,)


@dataclass(frozen=True)
class Surface:
    """What paint says of N points: colour (N, 3) linear RGB, gloss and metal (N,) in 0..1."""

    colour: Array
    gloss: Array
    metal: Array


Paint = Callable[[Array, Array], Surface]  # points (N, 3), normals (N, 3)


@dataclass(frozen=True)
class Product:
    """A thing on the shelf: its shape and paint, and a sphere around it for speed."""

    name: str
    shape: Distance
    paint: Paint
    centre: float  # height of the middle of the bounding sphere
    radius: float
    bumps: Distance | None = None  # fine relief in product units: bends the light, not the outline
    turning: float = 1.0  # share of a view's turn; wrapped labels must not turn out of sight


@dataclass(frozen=True)
class View:
    """One picture of a product: angles in degrees, lengths in product units."""

    turn: float
    rise: float  # elevation of the camera
    zoom: float  # share of the frame that the product fills
    light: float  # azimuth of the key light
    ground: str
    wall: tuple[float, float, float]
    warmth: float = 0.0
    exposure: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


# --- Small mathematics ---------------------------------------------------------------------------


def f32(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


def length(v: Array) -> Array:
    return np.sqrt(np.einsum("...i,...i->...", v, v))


def unit(v: Array) -> Array:
    return v / np.maximum(length(v), 1e-9)[..., None]


def dot(a: Array, b: Array) -> Array:
    return np.einsum("...i,...i->...", a, b)


def step(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between (either order)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, t: Array) -> Array:
    """From colours a to b, (3,) or (N, 3), by a share (N,) or (N, 3)."""
    return a + (b - a) * (t[:, None] if t.ndim == 1 else t)


_LATTICE = np.random.default_rng(7).random((32, 32, 32), dtype=np.float32)


def noise(p: Array) -> Array:
    """Smooth value noise in 0..1 of points (N, 3), period 32."""
    cell = np.floor(p).astype(np.int32)
    t = p - cell
    t = t * t * (3 - 2 * t)
    x, y, z = (cell & 31).T
    x1, y1, z1 = ((cell + 1) & 31).T
    tx, ty, tz = t.T
    low = _LATTICE[x, y, z] * (1 - tx) + _LATTICE[x1, y, z] * tx
    low += (_LATTICE[x, y1, z] * (1 - tx) + _LATTICE[x1, y1, z] * tx - low) * ty
    high = _LATTICE[x, y, z1] * (1 - tx) + _LATTICE[x1, y, z1] * tx
    high += (_LATTICE[x, y1, z1] * (1 - tx) + _LATTICE[x1, y1, z1] * tx - high) * ty
    return low + (high - low) * tz


def turned(p: Array, degrees: float) -> Array:
    """Points turned about the y axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return p @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=np.float32).T


# --- Shapes: points -> signed distance -----------------------------------------------------------


def box(p: Array, half: Array, rounding: float) -> Array:
    q = np.abs(p) - half + rounding
    return length(np.maximum(q, 0)) + np.minimum(q.max(axis=-1), 0) - rounding


def cylinder(p: Array, radius: float, half_height: float, rounding: float) -> Array:
    q = np.stack([np.hypot(p[:, 0], p[:, 2]) - radius, np.abs(p[:, 1]) - half_height], axis=-1)
    q += rounding
    return length(np.maximum(q, 0)) + np.minimum(q.max(axis=-1), 0) - rounding


def capsule(p: Array, a: Array, b: Array, radius: float) -> Array:
    t = np.clip(dot(p - a, b - a) / dot(b - a, b - a), 0, 1)
    return length(p - a - t[:, None] * (b - a)) - radius


def smooth_union(a: Array, b: Array, k: float) -> Array:
    t = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * t - k * t * (1 - t)


# --- Surfaces ------------------------------------------------------------------------------------


def coated(colour: Array, gloss: Array | float, metal: Array | float = 0.0) -> Surface:
    """A surface of colours (N, 3), with gloss and metal per point or for all."""
    count = len(colour)
    return Surface(
        colour.astype(np.float32),
        np.broadcast_to(np.float32(gloss), count),
        np.broadcast_to(np.float32(metal), count),
    )


def look_up(art: Image.Image, u: Array, v: Array) -> Array:
    """Linear RGB (N, 3) of a label at u (left to right) and v (top to bottom) in 0..1."""
    texels = (np.asarray(art, dtype=np.float32) / 255) ** 2.2
    h, w = texels.shape[:2]
    x, y = np.clip(u * w - 0.5, 0, w - 1.001), np.clip(v * h - 0.5, 0, h - 1.001)
    i, j = x.astype(int), y.astype(int)
    tx, ty = (x - i)[:, None], (y - j)[:, None]
    top = texels[j, i] * (1 - tx) + texels[j, i + 1] * tx
    bottom = texels[j + 1, i] * (1 - tx) + texels[j + 1, i + 1] * tx
    return (top * (1 - ty) + bottom * ty).astype(np.float32)


# --- The stage: grounds and surroundings ---------------------------------------------------------


def ground_surface(kind: str, p: Array) -> Surface:
    """Paint of the ground at points (N, 3) with y = 0."""
    flat = p * f32(1, 0, 1)
    match kind:
        case "paper":
            return coated(np.broadcast_to(f32(0.78, 0.78, 0.77), p.shape), 0.0)
        case "wood":
            plank = np.floor(p[:, 2] / 0.55)
            grain = flat * f32(1.3, 0, 16) + plank[:, None] * f32(5.3, 2.1, 0)
            rings = noise(grain) * 0.6 + noise(grain * 2.7) * 0.4
            colour = mix(f32(0.3, 0.13, 0.05), f32(0.52, 0.28, 0.12), rings)
            colour *= (0.85 + 0.3 * noise(plank[:, None] * f32(3.7, 1.1, 2.3)))[:, None]
            seam = np.abs(p[:, 2] / 0.55 - plank - 0.5) > 0.485
            return coated(np.where(seam[:, None], colour * 0.35, colour), 0.22)
        case "cloth":
            bands = [np.mod(p[:, axis] / 0.5 + 0.2, 1) < 0.5 for axis in (0, 2)]
            tint = (bands[0].astype(np.float32) + bands[1]) / 2
            weave = 0.9 + 0.1 * np.sin(p[:, 0] * 260) * np.sin(p[:, 2] * 260)
            return coated(mix(f32(0.8, 0.79, 0.75), f32(0.1, 0.22, 0.42), tint) * weave[:, None], 0)
        case "stone":
            cloud = noise(flat * 2 + 4) * 0.5 + noise(flat * 5) * 0.3 + noise(flat * 60) * 0.2
            grains = step(noise(flat * 47 + 3), 0.8, 0.95)
            colour = mix(f32(0.13, 0.14, 0.15), f32(0.28, 0.28, 0.29), cloud)
            return coated(mix(colour, f32(0.5, 0.48, 0.45), grains * 0.6), 0.3)
    raise ValueError(f"no ground named {kind!r}")


def surroundings(d: Array, key: Array, wall: Array, gloss: Array) -> Array:
    """What reflections see in the directions d: walls; a soft box and a tall strip at the key."""
    blur = (1.02 - gloss) * 0.5
    light = mix(wall * 0.3, wall * 0.9 + 0.15, step(d[:, 1], -0.3, 0.9))
    right = unit(np.cross(f32(0, 1, 0), key))
    x, y = d @ right, d @ np.cross(key, right)
    facing = (d @ key > 0).astype(np.float32)

    def panel(outside: Array) -> Array:
        return (1 - np.clip((outside + blur * 0.4) / (blur + 0.03), 0, 1)) * facing

    box_light = panel(np.maximum(np.abs(x) - 0.22, np.abs(y) - 0.3))
    strip = panel(np.abs(x + 0.12) - 0.1) * 0.3
    power = 26 / (1 + 9 * blur)
    return light + ((box_light + strip) * power)[:, None]


# --- Rendering -----------------------------------------------------------------------------------


def march(shape: Distance, origin: Array, d: Array, far: Array, steps: int = 90) -> Array:
    """Walk along rays until the shape is touched; distance (N,), inf where it is missed."""
    t = np.zeros(len(d), np.float32)
    result = np.full(len(d), np.inf, np.float32)
    alive = np.arange(len(d))
    for _ in range(steps):
        gap = shape(origin[alive] + t[alive, None] * d[alive])
        t[alive] += gap * 0.8
        touched = gap < 6e-4
        result[alive[touched]] = t[alive[touched]]
        alive = alive[~touched & (t[alive] < far[alive])]
        if not len(alive):
            break
    return result


def through_sphere(origin: Array, d: Array, centre: Array, radius: float) -> tuple[Array, Array]:
    """Where rays enter and leave a sphere; entry is inf where they miss it."""
    to = origin - centre
    b = dot(to, d)
    inside = b * b - dot(to, to) + radius * radius
    root = np.sqrt(np.maximum(inside, 0))
    near, far = np.maximum(-b - root, 0), -b + root
    return np.where((inside > 0) & (far > 0), near, np.inf).astype(np.float32), far


def shadow(shape: Distance, p: Array, key: Array, centre: Array, radius: float) -> Array:
    """How much of a broad light reaches points, 1 all, 0 none.

    The penumbra is guessed from how closely the way to the light passes the shape.
    """
    d = np.broadcast_to(key, p.shape)
    near, far = through_sphere(p, d, centre, radius * 1.15)
    lit = np.ones(len(p), np.float32)
    alive = np.flatnonzero(np.isfinite(near))
    t = np.maximum(near[alive], 0.015)
    end = far[alive]
    for _ in range(36):
        gap = shape(p[alive] + t[:, None] * key)
        lit[alive] = np.minimum(lit[alive], 0.5 + 0.5 * gap / (0.16 * t))
        t = t + np.clip(gap, 0.012, 0.12)
        keep = (t < end) & (lit[alive] > 0.0)
        alive, t, end = alive[keep], t[keep], end[keep]
        if not len(alive):
            break
    lit = np.clip(lit, 0, 1)
    return lit * lit * (3 - 2 * lit)


def openness(shape: Distance, p: Array, n: Array) -> Array:
    """Ambient occlusion: how free the space above points is, of shape and ground."""
    closed = np.zeros(len(p), np.float32)
    for reach, weight in ((0.03, 1.0), (0.1, 0.8), (0.22, 0.5), (0.42, 0.35)):
        q = p + n * reach
        gap = np.minimum(shape(q), q[:, 1])
        closed += weight * np.clip(1 - gap / reach, 0, 1)
    return np.clip(1 - 0.42 * closed, 0.05, 1)


def normals(shape: Distance, p: Array, h: float = 1.5e-3) -> Array:
    """The gradient of the distance at points, from four samples on a tetrahedron."""
    corners = f32(1, -1, -1), f32(-1, -1, 1), f32(-1, 1, -1), f32(1, 1, 1)
    return unit(sum((shape(p + h * k)[:, None] * k for k in corners), np.zeros_like(p)))


def render(product: Product, view: View, size: int, seed: int, supersample: int = 2) -> Image.Image:
    """One picture, (size, size)."""
    side = size * supersample
    centre = f32(0, product.centre, 0)

    turn = view.turn * product.turning

    def shape(p: Array) -> Array:
        return product.shape(turned(p, turn))

    def relief(p: Array) -> Array:
        q = turned(p, turn)
        return product.shape(q) - (product.bumps(q) if product.bumps else 0)

    # Camera: a long lens, aimed at the middle of the product.
    spread = np.tan(np.radians(14.0))
    distance = product.radius / view.zoom / spread
    rise = np.radians(view.rise)
    back = f32(0, np.sin(rise), np.cos(rise))
    eye = centre + back * distance
    right, up = f32(1, 0, 0), np.cross(back, f32(1, 0, 0)).astype(np.float32)
    grid = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    x, y = (a.ravel() for a in np.meshgrid(grid + view.shift[0], grid + view.shift[1]))
    d = unit(x[:, None] * right * spread - y[:, None] * up * spread - back)
    origin = np.broadcast_to(eye, d.shape)
    a = np.radians(view.light)
    key = unit(f32(np.sin(a), 1.0, np.cos(a)))
    wall = f32(*view.wall)

    # What each ray meets: the product, else the ground; far ground fades into the wall.
    near, far = through_sphere(origin, d, centre, product.radius)
    t = np.full(len(d), np.inf, np.float32)
    may = np.flatnonzero(np.isfinite(near))
    start = origin[may] + near[may, None] * d[may]
    t[may] = near[may] + march(shape, start, d[may], far[may] - near[may])
    hit = np.isfinite(t)
    t_ground = np.where(d[:, 1] < -1e-4, -eye[1] / np.minimum(d[:, 1], -1e-4), 60.0)
    points = origin + np.where(hit, t, np.minimum(t_ground, 60.0))[:, None] * d
    glow = step(points[:, 0] * key[0] + points[:, 1], -6, 6)
    picture = wall * (0.7 + 0.5 * glow)[:, None]

    sun = mix(f32(1, 1, 1), f32(1.12, 0.97, 0.78), f32(view.warmth))[0] * 1.75  # (3,)
    sky = (wall * 0.5 + 0.35) * f32(0.92, 0.97, 1.08)

    def shade(p: Array, n: Array, look: Surface, ray: Array) -> Array:
        lit = shadow(shape, p + n * 4e-3, key, centre, product.radius)
        open_ = openness(shape, p, n)
        facing = np.clip(n @ key * 0.92 + 0.08, 0, 1)  # a broad light wraps around a little
        under = np.clip(0.5 - 0.5 * n[:, 1], 0, 1)
        diffuse = sun * (facing * lit)[:, None]
        diffuse = (
            diffuse
            + (sky * (0.55 + 0.45 * n[:, 1])[:, None] + 0.22 * under[:, None]) * open_[:, None]
        )
        mirror = ray - 2 * dot(ray, n)[:, None] * n
        seen = surroundings(mirror, key, wall, look.gloss)
        rim = (1 - np.clip(-dot(ray, n), 0, 1)) ** 5
        dielectric = (0.04 + 0.5 * rim * look.gloss) * step(look.gloss, 0.0, 0.3)
        reflectance = mix(np.repeat(dielectric[:, None], 3, 1), look.colour, look.metal)
        shine = seen * reflectance * (open_ * (0.35 + 0.65 * lit))[:, None]
        return look.colour * diffuse * (1 - look.metal)[:, None] + shine

    p = points[hit]
    n = normals(relief, p)
    inner, inner_n = turned(p, turn), turned(n, turn)
    picture[hit] = shade(p, n, product.paint(inner, inner_n), d[hit])
    floor = ~hit & (t_ground < 60.0)
    p = points[floor] * f32(1, 0, 1)
    lit_floor = shade(
        p, np.broadcast_to(f32(0, 1, 0), p.shape), ground_surface(view.ground, p), d[floor]
    )
    fade = step(-points[floor, 2], 1.2, 4.2) if view.ground == "paper" else step(-p[:, 2], 3.2, 3.6)
    picture[floor] = mix(lit_floor, picture[floor], fade)

    # A camera: vignette, filmic curve (Narkowicz's fit of ACES), sensor noise, gamma.
    picture *= (view.exposure * 0.62 * (1 - 0.13 * (x * x + y * y)))[:, None]
    picture = picture * (2.51 * picture + 0.03) / (picture * (2.43 * picture + 0.59) + 0.14)
    picture = picture.reshape(size, supersample, size, supersample, 3).mean(axis=(1, 3))
    picture = np.clip(picture, 0, 1) ** (1 / 2.2)
    picture += np.random.default_rng(seed).normal(0, 0.007, picture.shape)
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
