"""Render the example pictures: a small pantry, drawn by a ray marcher of our own.

Every picture in ``examples/`` is made here, from formulas and from text set by Pillow; no
photograph and no foreign artwork is involved. The same seeds give the same pictures.

    python examples/make_pictures.py                      # all of them, about a minute on one core
    python examples/make_pictures.py --only lemon --out /tmp/try --sheet
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from raymarch import (
    Array,
    Paint,
    Product,
    Surface,
    View,
    box,
    capsule,
    coated,
    cylinder,
    f32,
    length,
    look_up,
    mix,
    noise,
    render,
    smooth_union,
    step,
)

# --- Shapes: points -> signed distance -----------------------------------------------------------


def orange_shape(p: Array) -> Array:
    q = (p - f32(0, 0.47, 0)) * f32(1, 1.06, 1)
    around = np.hypot(q[:, 0], q[:, 2])
    navel = 0.03 * np.exp(-((around / 0.07) ** 2)) * (q[:, 1] > 0)
    return length(q) - 0.49 + navel + 0.012 * noise(q * 4)


def orange_bumps(p: Array) -> Array:
    """Pores."""
    return -0.0035 * step(noise(p * 60) * 0.6 + noise(p * 83 + 5) * 0.4, 0.45, 0.75)


def apple_shape(p: Array) -> Array:
    """The outside of a spindle torus (its poles are the dimples), narrower below; and a stem."""
    q = p - f32(0, 0.45, 0)
    q[:, [0, 2]] /= (1 + 0.3 * q[:, 1] - 0.25 * q[:, 1] ** 2)[:, None]
    angle = np.arctan2(q[:, 2], q[:, 0])
    lobes = 0.012 * np.cos(5 * angle) * step(q[:, 1], -0.1, -0.45)
    around = np.hypot(q[:, 0], q[:, 2])
    body = np.hypot(around - 0.17, q[:, 1] * 0.82) - 0.33 + lobes + 0.016 * noise(q * 2.5)
    stem = capsule(p, f32(0, 0.7, 0), f32(0.05, 0.95, 0.02), 0.018)
    return np.minimum(body, stem)


def lemon_shape(p: Array) -> Array:
    """An ellipsoid on its side, with a nipple at either end."""
    q = p - f32(0, 0.345, 0)
    radii = f32(0.46, 0.345, 0.345)
    k0, k1 = length(q / radii), length(q / (radii * radii))
    body = k0 * (k0 - 1) / np.maximum(k1, 1e-6)
    tip = capsule(q, f32(-0.4, 0, 0), f32(0.52, 0, 0), 0.075)
    stalk = capsule(q, f32(-0.47, 0, 0), f32(0, 0, 0), 0.09)
    return smooth_union(smooth_union(body, tip, 0.12), stalk, 0.1) + 0.02 * noise(q * 4)


def lemon_bumps(p: Array) -> Array:
    """Pores."""
    return -0.0035 * step(noise(p * 46) * 0.6 + noise(p * 67 + 5) * 0.4, 0.4, 0.8)


def carton_shape(p: Array) -> Array:
    """A box under a gable roof whose ridge runs along x, and the sealed fin on top."""
    q = np.abs(p)
    slope = (p[:, 1] - 0.78) * 0.72 + (q[:, 2] - 0.25) * 0.69
    body = np.maximum.reduce([q[:, 0] - 0.25, q[:, 2] - 0.25, -p[:, 1], slope])
    fin = box(p - f32(0, 1.06, 0), f32(0.25, 0.07, 0.014), 0.006)
    return np.minimum(body, fin) - 0.008


def jar_shape(p: Array) -> Array:
    glass = cylinder(p - f32(0, 0.36, 0), 0.33, 0.36, 0.09)
    angle = np.arctan2(p[:, 2], p[:, 0])
    ribs = 0.004 * np.cos(48 * angle) * (np.abs(p[:, 1] - 0.79) < 0.05)
    lid = cylinder(p - f32(0, 0.78, 0), 0.315, 0.075, 0.02) + ribs
    return np.minimum(glass, lid)


def cereal_shape(p: Array) -> Array:
    return box(p - f32(0, 0.56, 0), f32(0.4, 0.56, 0.13), 0.012)


def tin_shape(p: Array) -> Array:
    body = cylinder(p - f32(0, 0.42, 0), 0.31, 0.42, 0.02)
    around = np.hypot(p[:, 0], p[:, 2])
    body += 0.004 * np.cos(around * 75) * ((p[:, 1] > 0.8) & (around < 0.26))
    rims = [np.hypot(around - 0.305, p[:, 1] - y) - 0.02 for y in (0.02, 0.82)]
    sunk = np.maximum(around - 0.285, np.abs(p[:, 1] - 0.85) - 0.03)
    return np.maximum(np.minimum(body, np.minimum(*rims)), -sunk)


# --- Labels: artwork set by Pillow ---------------------------------------------------------------


def write(
    draw: ImageDraw.ImageDraw, y: float, text: str, size: int, fill: str, bold: int = 0
) -> None:
    """Text centred on the artwork's width, in the font that comes with Pillow."""
    font = ImageFont.load_default(size)
    middle = draw.im.size[0] / 2
    draw.text((middle, y), text, fill, font, anchor="mm", stroke_width=bold, stroke_fill=fill)


def small_print(draw: ImageDraw.ImageDraw, box_: tuple[int, int, int, int], fill: str) -> None:
    """A table of ingredients, too small to read."""
    x0, y0, x1, y1 = box_
    draw.rectangle(box_, outline=fill, width=2)
    for i, y in enumerate(range(y0 + 10, y1 - 6, 11)):
        draw.line([x0 + 8, y, x0 + 8 + (x1 - x0) * (0.35 + 0.25 * (i * 7 % 5) / 5), y], fill, 3)
        draw.line([x1 - 30, y, x1 - 10, y], fill, 3)


def milk_front() -> Image.Image:
    art = Image.new("RGB", (300, 480), "#f6f7f2")
    draw = ImageDraw.Draw(art)
    draw.rectangle([0, 0, 300, 120], "#1f58b0")
    write(draw, 62, "MEADOW", 46, "#ffffff", 1)
    write(draw, 176, "MILK", 92, "#173f86", 4)
    write(draw, 238, "fresh · 3.5 %", 30, "#2c6cc4")
    draw.ellipse([-120, 330, 260, 700], "#58a541")
    draw.ellipse([90, 360, 470, 720], "#7cc058")
    draw.ellipse([212, 276, 264, 328], "#f7c933")
    for x, y in [(120, 366), (178, 392)]:  # two cows, from afar
        draw.rounded_rectangle([x, y, x + 46, y + 24], 8, "#ffffff")
        draw.ellipse([x + 10, y + 3, x + 26, y + 16], "#222222")
        draw.ellipse([x + 38, y - 6, x + 56, y + 10], "#222222")
        for leg in (6, 34):
            draw.rectangle([x + leg, y + 22, x + leg + 5, y + 34], "#333333")
    write(draw, 452, "1 litre", 28, "#ffffff", 1)
    return art


def milk_side() -> Image.Image:
    art = Image.new("RGB", (300, 480), "#f6f7f2")
    draw = ImageDraw.Draw(art)
    draw.rectangle([0, 0, 300, 120], "#1f58b0")
    write(draw, 170, "From grass", 34, "#173f86", 1)
    write(draw, 210, "to glass", 34, "#173f86", 1)
    small_print(draw, (50, 260, 250, 420), "#5f7fae")
    draw.rectangle([0, 448, 300, 480], "#58a541")
    return art


def cereal_front() -> Image.Image:
    art = Image.new("RGB", (400, 560), "#f5a81c")
    draw = ImageDraw.Draw(art)
    for i in range(24):  # a sun with rays
        a = i * np.pi / 12
        ends = [(200 + 420 * np.cos(a + d), 300 + 420 * np.sin(a + d)) for d in (-0.06, 0.06)]
        draw.polygon([(200, 300), *ends], "#fbc34a")
    draw.rounded_rectangle([28, 40, 372, 190], 28, "#c4201f")
    write(draw, 88, "GOLDEN", 60, "#fff3cf", 3)
    write(draw, 150, "FLAKES", 60, "#fff3cf", 3)
    rng = np.random.default_rng(3)
    draw.ellipse([50, 300, 350, 400], "#fdfdf8", "#d9dfe6", 4)
    for _ in range(150):
        a, r = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1))
        x, y = 200 + 128 * r * np.cos(a), 346 + 34 * r * np.sin(a)
        w = rng.uniform(10, 19)
        shade = ["#d9820f", "#eea024", "#c76f0c", "#f4b547"][rng.integers(4)]
        draw.ellipse([x - w, y - w * 0.55, x + w, y + w * 0.55], shade)
    draw.chord([50, 210, 350, 500], 0, 180, "#2f6fb7")
    draw.rectangle([50, 350, 350, 358], "#e9eef4")
    write(draw, 430, "crisp corn", 38, "#ffffff", 1)
    write(draw, 530, "375 g", 28, "#7a2a10", 1)
    return art


def cereal_side() -> Image.Image:
    art = Image.new("RGB", (140, 560), "#c4201f")
    draw = ImageDraw.Draw(art)
    write(draw, 60, "GOLDEN", 26, "#fff3cf", 1)
    write(draw, 92, "FLAKES", 26, "#fff3cf", 1)
    draw.rectangle([12, 150, 128, 520], "#f8efd8")
    small_print(draw, (20, 160, 120, 510), "#8a5a3a")
    return art


def jam_label() -> Image.Image:
    art = Image.new("RGB", (420, 230), "#fbf6e6")
    draw = ImageDraw.Draw(art)
    draw.rectangle([8, 8, 412, 222], outline="#b3203a", width=5)
    draw.rectangle([17, 17, 403, 213], outline="#b3203a", width=2)
    write(draw, 54, "GRANNY'S", 28, "#5d7a35", 1)
    write(draw, 104, "Strawberry", 50, "#b3203a", 2)
    write(draw, 168, "JAM", 46, "#b3203a", 2)
    for x in (112, 308):  # a strawberry either side
        draw.polygon([(x - 26, 154), (x + 26, 154), (x, 204)], "#d22a3c")
        draw.ellipse([x - 27, 140, x + 27, 176], "#d22a3c")
        draw.polygon([(x - 22, 142), (x, 154), (x + 22, 142), (x, 130)], "#4f8a33")
        for dx, dy in [(-12, 162), (2, 168), (13, 160), (-3, 184)]:
            draw.ellipse([x + dx - 2, dy - 2, x + dx + 2, dy + 2], "#ffe08a")
    return art


def soup_label() -> Image.Image:
    art = Image.new("RGB", (960, 330), "#a51d1a")
    half = Image.new("RGB", (480, 330), "#a51d1a")
    draw = ImageDraw.Draw(half)
    draw.rectangle([0, 150, 480, 330], "#f7efdc")
    draw.rectangle([0, 144, 480, 152], "#d9a93a")
    write(draw, 52, "Nonna's", 46, "#f7efdc", 1)
    write(draw, 106, "TOMATO", 60, "#f7efdc", 3)
    write(draw, 292, "SOUP", 50, "#a51d1a", 3)
    for x, y, r in [(196, 212, 40), (270, 206, 46)]:
        draw.ellipse([x - r, y - r * 0.88, x + r, y + r * 0.88], "#d8321e")
        draw.ellipse([x - r * 0.6, y - r * 0.6, x - r * 0.1, y - r * 0.2], "#ee7a5c")
        for a in range(0, 360, 72):
            c, s = np.cos(np.radians(a)), np.sin(np.radians(a))
            draw.line([x, y - r * 0.7, x + 20 * c, y - r * 0.7 + 9 * s], "#3f7a2c", 6)
    art.paste(half, (0, 0))
    art.paste(half, (480, 0))
    return art


def orange_paint(p: Array, n: Array) -> Surface:
    q = p - f32(0, 0.47, 0)
    colour = mix(f32(0.8, 0.16, 0.004), f32(0.88, 0.24, 0.006), noise(q * 3))
    around, angle = np.hypot(q[:, 0], q[:, 2]), np.arctan2(q[:, 2], q[:, 0])
    stem = step(around, 0.06 + 0.012 * np.cos(5 * angle), 0.02) * (q[:, 1] > 0)
    colour = mix(colour, f32(0.2, 0.24, 0.06), stem)
    return coated(colour, 0.55)


def apple_paint(skin: Array, streak: Array, pale: Array, amount: float) -> Paint:
    """Skin with streaks from pole to pole, pale around the stem, and small pale specks."""

    def paint(p: Array, n: Array) -> Surface:
        q = p - f32(0, 0.45, 0)
        around, angle = np.hypot(q[:, 0], q[:, 2]), np.arctan2(q[:, 2], q[:, 0])
        wrap = np.stack([np.cos(angle) * 5, q[:, 1] * 1.2, np.sin(angle) * 5], axis=-1)
        fine = 0.5 * noise(wrap * f32(4.3, 2, 4.3)) + 0.5 * noise(wrap + 9)
        colour = mix(skin, streak, step(fine, 0.35, 0.85) * amount)
        near_stem = step(around + 0.14 * noise(wrap * 2), 0.26, 0.04) * (q[:, 1] > 0)
        colour = mix(colour, pale, near_stem * 0.8)
        colour = mix(colour, pale, step(noise(q * 44), 0.87, 0.95) * 0.4)
        stem = (around < 0.085) & (q[:, 1] > 0.27) & (length(n[:, [0, 2]]) > 0.3)
        colour = np.where(stem[:, None], f32(0.13, 0.07, 0.03), colour)
        return coated(colour, np.where(stem, 0.1, 0.75))

    return paint


def lemon_paint(p: Array, n: Array) -> Surface:
    q = p - f32(0, 0.345, 0)
    colour = mix(f32(0.86, 0.52, 0.008), f32(0.92, 0.62, 0.02), noise(q * 4))
    ends = step(np.abs(q[:, 0]), 0.4, 0.6)
    colour = mix(colour, f32(0.5, 0.5, 0.04), ends * 0.7)
    return coated(colour, 0.55)


def wrapped_box(
    front: Image.Image, side: Image.Image, half: Array, top: float, lid: Array, gloss: float
) -> Paint:
    """Artwork on the four sides of a box up to the height ``top``; ``lid`` above and on top."""

    def paint(p: Array, n: Array) -> Surface:
        v = 1 - p[:, 1] / top
        along_z = np.abs(n[:, 2]) >= np.abs(n[:, 0])
        u_front = 0.5 + 0.5 * np.sign(n[:, 2]) * p[:, 0] / half[0]
        u_side = 0.5 - 0.5 * np.sign(n[:, 0]) * p[:, 2] / half[2]
        colour = np.where(along_z[:, None], look_up(front, u_front, v), look_up(side, u_side, v))
        above = (n[:, 1] > 0.4) | (p[:, 1] > top)
        return coated(np.where(above[:, None], lid, colour), gloss)

    return paint


def jam_paint(p: Array, n: Array) -> Surface:
    """Glass full of jam (not quite to the brim), a paper label, a lid with stripes."""
    jam = mix(f32(0.33, 0.008, 0.02), f32(0.5, 0.03, 0.03), noise(p * 9))
    colour = mix(jam, f32(0.75, 0.42, 0.12), step(noise(p * 42), 0.85, 0.93) * 0.6)  # seeds
    colour = mix(colour, f32(0.5, 0.42, 0.4), step(p[:, 1], 0.635, 0.66))
    angle = np.degrees(np.arctan2(p[:, 0], p[:, 2]))
    on_label = (np.abs(angle) < 72) & (np.abs(p[:, 1] - 0.35) < 0.215) & (np.abs(n[:, 1]) < 0.5)
    label = look_up(jam_label(), angle / 144 + 0.5, 0.5 - (p[:, 1] - 0.35) / 0.43)
    colour = np.where(on_label[:, None], label, colour)
    lid = p[:, 1] > 0.705
    stripe = np.sin(angle * np.pi / 7.5) > 0
    ring = (n[:, 1] < 0.7) | (np.sin(np.hypot(p[:, 0], p[:, 2]) * 60) > 0)
    stripes = mix(f32(0.85, 0.82, 0.78), f32(0.62, 0.05, 0.06), (stripe & ring).astype(np.float32))
    colour = np.where(lid[:, None], stripes, colour)
    return coated(colour, np.select([on_label, lid], [0.15, 0.5], 0.95))


def tin_paint(p: Array, n: Array) -> Surface:
    """A paper wrap with the same picture front and back, between bare metal."""
    around = np.arctan2(p[:, 0], p[:, 2]) / (2 * np.pi) + 0.75
    label = look_up(soup_label(), around % 1.0, 1 - (p[:, 1] - 0.06) / 0.72)
    paper = (np.abs(p[:, 1] - 0.42) < 0.36) & (np.abs(n[:, 1]) < 0.5)
    colour = np.where(paper[:, None], label, f32(0.62, 0.63, 0.65))
    return coated(colour, np.where(paper, 0.45, 0.8), ~paper)


def products() -> list[Product]:
    red = apple_paint(f32(0.42, 0.008, 0.012), f32(0.62, 0.12, 0.03), f32(0.62, 0.42, 0.1), 0.6)
    green = apple_paint(f32(0.25, 0.42, 0.03), f32(0.4, 0.52, 0.07), f32(0.55, 0.6, 0.2), 0.8)
    blue, scarlet = f32(0.02, 0.1, 0.42), f32(0.55, 0.02, 0.02)
    milk = wrapped_box(milk_front(), milk_side(), f32(0.25, 0, 0.25), 0.785, blue, 0.45)
    cereal = wrapped_box(cereal_front(), cereal_side(), f32(0.4, 0, 0.13), 1.12, scarlet, 0.4)
    return [
        Product("orange", orange_shape, orange_paint, 0.47, 0.56, bumps=orange_bumps),
        Product("red apple", apple_shape, red, 0.46, 0.66),
        Product("green apple", apple_shape, green, 0.46, 0.66),
        Product("lemon", lemon_shape, lemon_paint, 0.34, 0.66, bumps=lemon_bumps),
        Product("milk", carton_shape, milk, 0.57, 0.72),
        Product("strawberry jam", jar_shape, jam_paint, 0.43, 0.6, turning=0.5),
        Product("corn flakes", cereal_shape, cereal, 0.56, 0.74),
        Product("tomato soup", tin_shape, tin_paint, 0.43, 0.58, turning=0.6),
    ]


# --- What is shown how ---------------------------------------------------------------------------

# For the gallery, a photographer's table: light paper, the product large and from near its front.
SHELF_VIEWS = (
    View(-18, 16, 0.86, -42, "paper", (0.74, 0.75, 0.76)),
    View(24, 28, 0.82, 38, "paper", (0.62, 0.66, 0.7), warmth=0.4, exposure=0.95),
    View(52, 10, 0.9, -20, "paper", (0.76, 0.72, 0.66), warmth=0.7),
)
# For the queries, somebody's kitchen: other ground, other light, other angle, not quite centred.
KITCHEN_VIEWS = (
    View(-34, 22, 0.7, 52, "wood", (0.3, 0.34, 0.32), warmth=0.8, shift=(0.08, -0.03)),
    View(10, 33, 0.72, -55, "cloth", (0.5, 0.42, 0.34), exposure=1.05, shift=(-0.07, 0.04)),
    View(38, 18, 0.7, -35, "stone", (0.42, 0.48, 0.55), warmth=0.2, shift=(0.05, 0.02)),
)


def pictures(only: str | None) -> list[tuple[str, Product, View]]:
    """Where each picture goes below the output folder, and what it shows."""
    result = []
    for number, product in enumerate(products()):
        if only is not None and product.name != only:
            continue
        for i, view in enumerate(SHELF_VIEWS, start=1):
            result.append((f"pantry/{product.name}/{i}.jpg", product, view))
        query = KITCHEN_VIEWS[number % len(KITCHEN_VIEWS)]
        result.append((f"queries/{product.name.replace(' ', '-')}.jpg", product, query))
    return result


def contact_sheet(images: list[Image.Image], columns: int = 4) -> Image.Image:
    """All pictures on one, for looking at."""
    size = images[0].width
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    for i, image in enumerate(images):
        sheet.paste(image, (i % columns * size, i // columns * size))
    return sheet


def main() -> None:
    """Render and write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    parser.add_argument("--size", type=int, default=320, help="width and height in pixels")
    parser.add_argument("--only", help="name of one product")
    parser.add_argument("--sheet", action="store_true", help="also write sheet.png")
    options = parser.parse_args()
    images = []
    for name, product, view in pictures(options.only):
        image = render(product, view, options.size, seed=zlib.crc32(name.encode()))
        path = options.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=88)
        images.append(image)
        print(path)
    if options.sheet:
        contact_sheet(images).save(options.out / "sheet.png")


if __name__ == "__main__":
    main()
