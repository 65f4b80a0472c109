"""Suppression and fusion as double loops over plain numbers: what the fast code must equal.

Every function takes lists: boxes of four floats, scores, labels, and models where they count.
"""

from __future__ import annotations

import numpy as np


def slow_area(box):
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def slow_iou(a, b):
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = across * down
    union = slow_area(a) + slow_area(b) - shared
    return min(shared / union, 1.0) if union > 0 else 0.0


def is_usable(box, score):
    return all(abs(number) <= 1e100 for number in (*box, score))


def ranked(boxes, scores, models=None):
    models = [0] * len(boxes) if models is None else models
    wanted = [n for n in range(len(boxes)) if is_usable(boxes[n], scores[n])]
    return sorted(wanted, key=lambda n: (-scores[n], models[n], n))


def mean(members, boxes, weights, otherwise):
    if len(members) == 1:
        return list(boxes[members[0]])
    total = 0.0
    sums = [0.0] * 4
    for member, weight in zip(members, weights, strict=True):
        total += weight
        sums = [old + weight * side for old, side in zip(sums, boxes[member], strict=True)]
    return [side / total for side in sums] if total > 0 else list(otherwise)


def by_score(rows, keep):
    return sorted(rows, key=lambda row: -row[1])[:keep]


def slow_nms(boxes, scores, labels, iou, keep=None):
    kept = []
    for n in ranked(boxes, scores):
        if all(labels[n] != labels[k] or slow_iou(boxes[n], boxes[k]) <= iou for k in kept):
            kept.append(n)
    return kept[:keep]


def fade(overlap, method, iou, sigma):
    if method == "linear":
        return 1 - overlap if overlap > iou else 1.0
    return float(np.exp(-(overlap**2) / sigma))


def slow_soft_nms(boxes, scores, labels, method, iou, sigma, floor, keep=None):
    left = {n: scores[n] for n in ranked(boxes, scores) if scores[n] >= floor}
    found = []
    while left:
        best = min(left, key=lambda n: (-left[n], n))
        found.append((best, left.pop(best)))
        for n in list(left):
            if labels[n] == labels[best]:
                left[n] *= fade(slow_iou(boxes[best], boxes[n]), method, iou, sigma)
                if left[n] < floor:
                    del left[n]
    return found[:keep]


def slow_box_voting(boxes, scores, labels, iou, vote_iou):
    rows, order = [], ranked(boxes, scores)
    for k in slow_nms(boxes, scores, labels, iou):
        voters = [
            n
            for n in order
            if labels[n] == labels[k] and (n == k or slow_iou(boxes[k], boxes[n]) >= vote_iou)
        ]
        moved = mean(voters, boxes, [scores[n] for n in voters], boxes[k])
        rows.append((moved, scores[k], labels[k]))
    return rows


def slow_voting(
    boxes, scores, labels, models, weights, iou, k, score_mode="mean_k", box_mode="weighted",
    one_per_model=False, soft=None, sigma=0.5, floor=0.001, keep=None,
):  # fmt: skip
    current = [score * weights[model] for score, model in zip(scores, models, strict=True)]
    left = ranked(boxes, current, models)
    if soft:
        left = [n for n in left if current[n] >= floor]
    rank = {n: place for place, n in enumerate(left)}
    rows = []
    while left:
        pivot = min(left, key=lambda n: (-current[n], rank[n]))
        group = [
            n
            for n in left
            if n == pivot
            or (labels[n] == labels[pivot] and slow_iou(boxes[pivot], boxes[n]) >= iou)
        ]
        group.sort(key=lambda n: (-current[n], rank[n]))
        voters = []
        for n in group:
            if not one_per_model or models[n] not in [models[v] for v in voters]:
                voters.append(n)
        voters = voters[:k]
        votes = [current[n] for n in voters]
        total = 0.0
        for vote in votes:
            total += vote
        score = {"mean_k": total / k, "max": votes[0], "sum": min(1.0, total)}[score_mode]
        moved = mean(voters, boxes, votes, boxes[pivot])
        rows.append((list(boxes[pivot]) if box_mode == "pivot" else moved, score, labels[pivot]))
        left.remove(pivot)
        for n in group:
            if n != pivot and soft is None:
                left.remove(n)
            elif n != pivot:
                overlap = slow_iou(boxes[pivot], boxes[n])
                current[n] *= fade(overlap, soft, -1, sigma)
                if current[n] < floor:
                    left.remove(n)
    return by_score(rows, keep)


def slow_nmw(boxes, scores, labels, models, weights, iou, keep=None):
    current = [s * (weights[m] / max(weights)) for s, m in zip(scores, models, strict=True)]
    clusters: list[list[int]] = []
    for n in ranked(boxes, current, models):
        best, most = None, iou
        for cluster in clusters:
            if labels[cluster[0]] == labels[n]:
                overlap = slow_iou(boxes[cluster[0]], boxes[n])
                if overlap > most:
                    best, most = cluster, overlap
        if best is None:
            clusters.append([n])
        else:
            best.append(n)
    rows = []
    for head, *others in clusters:
        members = [head, *others]
        factors = [1.0] + [slow_iou(boxes[head], boxes[n]) for n in others]
        share = [current[n] * factor for n, factor in zip(members, factors, strict=True)]
        rows.append((mean(members, boxes, share, boxes[head]), current[head], labels[head]))
    return by_score(rows, keep)


def slow_wbf(
    boxes, scores, labels, models, weights, iou, conf_type="avg", overflow=False, keep=None
):
    current = [s * weights[m] for s, m in zip(scores, models, strict=True)]
    clusters: list[list[int]] = []
    merged: list[list[float]] = []
    for n in ranked(boxes, current, models):
        best, most = None, iou
        for number, cluster in enumerate(clusters):
            if labels[cluster[0]] == labels[n]:
                overlap = slow_iou(merged[number], boxes[n])
                if overlap > most:
                    best, most = number, overlap
        if best is None:
            clusters.append([n])
            merged.append(mean([n], boxes, [current[n]], boxes[n]))
        else:
            members = clusters[best]
            members.append(n)
            merged[best] = mean(members, boxes, [current[x] for x in members], boxes[members[0]])
    rows = []
    everything = sum(weights)
    for box, members in zip(merged, clusters, strict=True):
        total = 0.0
        for n in members:
            total += current[n]
        present = sum(weights[m] for m in {models[n] for n in members})
        weight = sum(weights[models[n]] for n in members)
        counted = len(members) if overflow else min(len(members), len(weights))
        score = {
            "avg": total / len(members) * counted / everything,
            "max": max(current[n] for n in members) / max(weights),
            "box_and_model_avg": total / weight * present / everything,
            "absent_model_aware_avg": total / (weight + (everything - present)),
        }[conf_type]
        rows.append((box, score, labels[members[0]]))
    return by_score(rows, keep)
