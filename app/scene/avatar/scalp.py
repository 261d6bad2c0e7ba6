"""The hair of the head: combed over the skull strand by strand, then drawn into locks, waves and coils."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from app.arrays import F64, I64, Bools
from app.scene.avatar import curls, hair_budget, hair_color
from app.scene.avatar.hair_distance import SkinDistance
from app.scene.avatar.hair_roots import Roots
from app.scene.avatar.hairline import exposed, growing, part_line, parted, reach
from app.scene.avatar.person import Person
from app.scene.avatar.strands import Strands, along, smoothed, tangents, thinned
from app.scene.model import normalized

WHORL = (0.008, 0.085, -0.055)  # metres: where hair grows apart on the crown
BROWS = 0.021  # metres: height at which a fringe is cut
FLOOR = -0.128  # metres: longer hair is cut about where the throat ends; there are no shoulders to lie on
_CLEARANCE = 4e-4  # metres between skin and hair
_FULL = 0.9  # share of the table's roots that bear hair on a head without any baldness
_FINE, _FINE_CURLS = 24, 64  # points of a strand while it is styled


@dataclass(frozen=True, eq=False)
class _Plan:
    """What each of S strands is to do.

    Attributes:
        length: metres.
        lift: 0 leaves along the skin, 1 steeply.
        layer: metres above the skin at which it comes to lie.
        outer: 0 the innermost layer .. 1 the outermost.
        fringe: whether it falls over the forehead.
        side: of the parting: -1 or 1.
    """

    length: F64
    lift: F64
    layer: F64
    outer: F64
    fringe: Bools
    side: F64


def strands(person: Person, roots: Roots, skin: SkinDistance) -> tuple[Strands, ...]:
    """Lines of all strands over the scalp's `roots`, those of equally many points together; () where nothing grows."""
    kept, strong = growing(person, roots)
    if not kept.any():
        return ()
    rng, kind = person.rng("hair.strands"), hair_budget.budget(person)
    wanted = person["hair.density"] * min(1.0, float(kept.mean()) / _FULL)
    roots, strong = roots[kept], strong[kept]
    length, bare = _lengths(person, roots, strong, rng), exposed(person, roots, strong)
    counts = hair_budget.points(person, length)
    most = hair_budget.affordable(person, counts)
    # Every beginning of the table is spread evenly over the scalp; where hair is exposed, it is to be closer together.
    # There are ties, which a sort that is not stable orders otherwise on other processors.
    order = np.argsort(np.arange(len(roots)) / (1.0 + 2.0 * bare), kind="stable")
    chosen = order[: round(most * wanted)]
    if not len(chosen):
        return ()
    roots, length, counts = roots[chosen], length[chosen], counts[chosen]
    strong, bare = strong[chosen], bare[chosen]
    plan = _plan(person, roots, length, rng)
    points = _comb(person, roots, plan, skin, kind.combed)
    ragged = rng.normal(0.0, 1.0, len(roots))
    points = _cut(points, np.where(plan.fringe, BROWS + 0.002 * ragged, FLOOR + 0.006 * ragged))
    points = smoothed(points, _spacing(kind.combed), _FINE_CURLS if kind.curled else _FINE)
    points = _styled(person, points, counts, skin, rng, kind.curled)
    broad = hair_budget.width(person, most) * (0.9 + 0.3 * person["hair.volume"])
    # Ribbons of coils are as often turned on edge as flat on the skin.
    clearance = _CLEARANCE + (0.25 * broad if kind.curled else 0.0)
    points[:, 1:] = skin.pushed_out(points[:, 1:], clearance)
    # The outermost strands are seen one by one; those below fill.
    width = broad * (1.3 - 0.6 * plan.outer) * rng.uniform(0.8, 1.2, len(roots))
    finest = np.interp(reach(person), [0.02, 0.10], [0.30, 0.45])  # of the hairline
    width *= (finest + (1.0 - finest) * strong) * (1.0 - 0.3 * bare)
    grey = person["hair.greying"] ** np.where(roots.rest[:, 2] > 20.0, 0.7, 1.0)  # it starts at the temples
    band = hair_color.bands(len(roots), grey, rng, outer=plan.outer)
    roll = rng.normal(0.0, 0.5 + 0.6 * person["hair.curl"], len(roots))
    spared = plan.fringe | ~_before_face(points)
    grown = []
    for count in np.unique(counts[spared]):
        alike = np.flatnonzero(spared & (counts == count))
        lines = thinned(points[alike], int(count))
        lines[:, 1:] = skin.pushed_out(lines[:, 1:], clearance)
        taper = np.interp(along(lines), [0.0, 0.03, 0.6, 1.0], [0.6, 1.0, 0.9, 0.25])
        _, outward = skin.sample(lines)
        grown.append(Strands(lines, width[alike, None] * taper, band[alike], outward, roll[alike]))
    return tuple(grown)


def _lengths(person: Person, roots: Roots, strong: F64, rng: np.random.Generator) -> F64:
    """Metres (S,) that strands are long before a fringe and the neck's end cut them."""
    low, curl = _lowness(roots), person["hair.curl"]
    length = reach(person) * (1.0 - 0.85 * person["hair.fade"] * low)
    uneven: F64 = rng.uniform(0.82 - 0.4 * curl, 1.08, len(roots))
    return length * uneven * (0.35 + 0.65 * strong)


def _lowness(roots: Roots) -> F64:
    """(S,) 0 on top .. 1 at the sides' and the nape's lower edge."""
    return np.asarray(np.clip((58.0 - roots.rest[:, 1]) / 60.0, 0.0, 1.0))


def _plan(person: Person, roots: Roots, length: F64, rng: np.random.Generator) -> _Plan:
    x = roots.rest[:, 0]
    count, up = len(roots), roots.elevation
    long, volume, curl, fringe = reach(person), person["hair.volume"], person["hair.curl"], person["hair.fringe"]
    low = _lowness(roots)
    front = np.clip((74.0 - up) / 12.0, 0.0, 1.0) * np.clip((58.0 - np.abs(x)) / 10.0, 0.0, 1.0)
    falls = rng.random(count) < front * min(1.0, 1.4 * fringe)
    to_brows = 0.100 * np.radians(np.maximum(up - 7.0, 5.0)) * (1.0 + 0.6 * (x / 58.0) ** 2)
    to_brows *= rng.normal(1.0, 0.06, count) * (0.55 + 0.45 * fringe)
    length = np.where(falls, np.minimum(length, to_brows), length)
    # Short hair stands, long hair lies: its own weight bends it down.
    stands = np.interp(long, [0.0, 0.01, 0.03, 0.08], [0.85, 0.7, 0.42, 0.22])
    lift = np.clip(stands * (0.45 + volume) + 0.9 * curl, 0.05, 1.2) * rng.uniform(0.75, 1.2, count)
    lift = np.where(falls, 0.2, lift * (1.0 - 0.4 * low * (1.0 - curl)))
    thick = (0.0015 + 0.016 * volume) * np.clip(length / 0.06, 0.05, 1.0)
    side = np.where(x > part_line(person) + rng.normal(0.0, 1.2, count), 1.0, -1.0)
    outer = rng.random(count)
    return _Plan(length, lift, thick * outer**0.7, outer, falls, side)


def _comb(person: Person, roots: Roots, plan: _Plan, skin: SkinDistance, points: int) -> F64:
    """Let strands grow over the head step by step: (S,points,3)."""
    curl, swept, long, by_parting = person["hair.curl"], person["hair.swept"], reach(person), parted(person)
    steps = _spacing(points)
    obedient = 0.35 + 0.65 * min(1.0, long / 0.05)  # short hair keeps the direction that it leaves the skin in
    position, direction = roots.positions - 1e-4 * roots.normals, roots.normals
    arc = np.zeros(len(roots))
    line = [position]
    for k in range(points - 1):
        distance, outward = skin.sample(position)
        flow = _flow(position, plan, swept, by_parting)
        flow = normalized(flow - (flow * outward).sum(axis=1, keepdims=True) * outward)
        if k == 0:
            direction = normalized(roots.normals * plan.lift[:, None] + flow * (1.0 - 0.8 * curl))
        skull = np.clip((position[:, 1] + 0.07) / 0.03, 0.0, 1.0)  # below it, hair just hangs
        near = np.exp(-np.maximum(distance - 0.004, 0.0) / 0.02) * skull
        rise = np.clip((plan.layer * np.clip(arc / 0.03, 0.2, 1.0) - distance) / 0.012, -1.0, 1.0)
        want = (0.9 * near * (1.0 - 0.8 * curl))[:, None] * flow
        want = want + (rise * near * (1.0 - 0.85 * curl))[:, None] * outward
        want = want + (1.0 - curl) * _away_from_face(position, plan)
        want[:, 1] -= np.clip(arc / 0.09, 0.0, 1.0) * (1.0 - curl) + 0.15 * curl * np.clip(arc / 0.2, 0.0, 1.0)
        direction = normalized(direction * (0.5 + 1.2 * curl) + want * obedient)
        step = plan.length * steps[k]
        position = position + direction * step[:, None]
        distance, outward = skin.sample(position)
        short_by = np.maximum(_CLEARANCE + 0.5 * plan.layer - distance, 0.0)
        short_by *= np.clip((position[:, 1] + 0.125) / 0.03, 0.0, 1.0)  # not spread by the neck's widening end
        position = position + outward * (short_by * min(1.0, k + 0.3))[:, None]
        arc = arc + step
        line.append(position)
    return np.stack(line, axis=1)


def _spacing(points: int) -> F64:
    """Shares (points-1,) of a strand's length that its segments have as it is combed: short ones at the root."""
    steps = np.linspace(0.5, 1.5, points - 1)
    steps /= steps.sum()
    return steps


def _flow(p: F64, plan: _Plan, swept: float, by_parting: float) -> F64:
    """Where hair is combed to at points (S,3): not yet along the skin, of length about 1."""
    x, y, z = p.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    front = np.clip((z + 0.045) / 0.03, 0.0, 1.0)[:, None]
    side = np.clip((np.abs(x) - 0.045) / 0.02, 0.0, 1.0) * np.clip((0.07 - y) / 0.03, 0.0, 1.0)
    aside = np.stack([plan.side, -0.3 - 9.0 * np.abs(x), -4.0 * z - 0.15], axis=1)
    down = np.stack([zero, -one, -0.1 * one], axis=1)
    parting = normalized(aside * front + down * (1.0 - front))
    grown = (1.0 - by_parting) * normalized(p - WHORL) + by_parting * parting
    back = np.stack([6.0 * x, 0.25 - 0.75 * side - (z < -0.06), -one], axis=1)
    ahead = np.stack([2.0 * x, -0.3 - 0.9 * side, 1.0 - 0.9 * side], axis=1)
    over_forehead = np.stack([5.0 * x, -0.5 * one, one], axis=1)
    combed = (1.0 - abs(swept)) * grown + max(swept, 0.0) * back + max(-swept, 0.0) * ahead
    return np.where(plan.fringe[:, None], over_forehead, combed)


def _away_from_face(p: F64, plan: _Plan) -> F64:
    """Push hair (S,3) that hangs in the face to its side, unless it is the fringe."""
    x, y, z = p.T
    inside = np.clip((z - 0.03) / 0.03, 0.0, 1.0) * np.clip((0.072 - np.abs(x)) / 0.012, 0.0, 1.0)
    inside = inside * np.clip((0.062 - y) / 0.02, 0.0, 1.0) * ~plan.fringe
    side = np.where(np.abs(x) > 0.01, np.sign(x), plan.side)
    return np.stack([1.6 * side * inside, np.zeros_like(x), -0.9 * inside], axis=1)


def _before_face(points: F64) -> Bools:
    """Which lines (S,K,3) hang before eyes, nose or mouth all the same."""
    x, y, z = np.moveaxis(points, -1, 0)
    before: Bools = ((np.abs(x) < 0.045) & (y < BROWS + 0.01) & (z > 0.05)).any(axis=1)
    return before


def _cut(points: F64, floor: F64) -> F64:
    """Shorten lines (S,K,3) to where they first come below `floor` (S,)."""
    count, rings = points.shape[:2]
    row = np.arange(count)
    below = points[..., 1] < floor[:, None]
    first = np.where(below.any(axis=1), below.argmax(axis=1), rings - 1)
    before, after = points[row, np.maximum(first - 1, 0), 1], points[row, first, 1]
    share = np.where(below.any(axis=1), (before - floor) / np.maximum(before - after, 1e-9), 1.0)
    last = np.maximum(first - 1 + np.clip(share, 0.0, 1.0), 0.5)
    at = np.linspace(0.0, 1.0, rings) * last[:, None]
    low = np.minimum(at.astype(int), rings - 2)
    f = (at - low)[..., None]
    shortened: F64 = points[row[:, None], low] * (1.0 - f) + points[row[:, None], low + 1] * f
    return shortened


def _styled(
    person: Person, points: F64, counts: I64, skin: SkinDistance, rng: np.random.Generator, curled: bool
) -> F64:
    """Draw strands (S,K,3) together into locks, and bend them into waves and coils that `counts` (S,) points show."""
    wave, curl = person["hair.wave"], person["hair.curl"]
    count, rings = len(points), points.shape[1]
    t = np.linspace(0.0, 1.0, rings)
    middle = rings // 6
    # The first strands are spread over all of the hair, and lead a lock each.
    leaders = min(count, 420 - int(150 * wave) + int(500 * curl))
    _, lock = cKDTree(points[:leaders, middle]).query(points[:, middle])
    gather = np.minimum((0.16 + 0.55 * max(wave, 0.5 * curl)) * rng.uniform(0.5, 1.5, count), 0.95)
    points = points + (points[lock] - points) * (gather[:, None] * t**1.3)[..., None]

    segments = np.linalg.norm(np.diff(points, axis=1), axis=2)
    arc = np.concatenate([np.zeros((count, 1)), np.cumsum(segments, axis=1)], axis=1)
    segment = arc[:, -1] / (counts - 1)
    ahead = tangents(points)
    _, outward = skin.sample(points)
    side = normalized(np.cross(ahead, outward), fallback=(1.0, 0.0, 0.0))
    other = np.cross(side, ahead)

    def bend(amplitude: F64, turn: F64, roundness: float) -> F64:
        way: F64 = np.sin(turn)[..., None] * side + roundness * np.cos(turn)[..., None] * other
        return amplitude[..., None] * way

    # Locks part ways the further they are from the skin.
    drift = rng.normal(0.0, 1.0, (leaders, 2))[lock] * (0.5 + person["hair.volume"]) * (1.0 - curl)
    away = np.clip(arc - 0.02, 0.0, 0.25)[..., None]
    points = points + away * (0.030 * drift[:, None, :1] * side + 0.015 * np.abs(drift[:, None, 1:]) * outward)

    # Waves shorter than a few segments would be zigzags.
    phase = rng.uniform(0.0, 2.0 * np.pi, leaders)[lock]
    own_phase = rng.uniform(0.0, 2.0 * np.pi, count)
    period = np.maximum(0.055 * rng.normal(1.0, 0.08, leaders)[lock], 3.6 * segment)
    turn = 2.0 * np.pi * arc / period[:, None] + (phase + 0.1 * own_phase)[:, None]
    result = points + bend(0.0075 * wave * (1.0 - curl) * np.clip(arc / 0.05, 0.0, 1.0), turn, 0.6)
    at_root = phase + 0.15 * own_phase
    if curled:
        result = curls.wound(result, segment, lock, at_root, curl, person.rng("hair.curls"))
    else:
        coil = 2.0 * np.pi * arc / np.maximum(curls.pitch(curl), 3.6 * segment)[:, None] + at_root[:, None]
        result += bend(0.0042 * min(1.0, 1.6 * curl) * np.clip(arc / 0.012, 0.0, 1.0), coil, 1.0)
    # Every hair goes a little its own way, most of all at the tip; a few stand off.
    stray = 0.6 * rng.normal(0.0, 1.0, (count, 1)) ** 2
    messy = (0.0005 + 0.0010 * curl) * (1.0 + stray) * np.clip(arc / 0.04, 0.0, 1.5)
    bent: F64 = result + bend(messy, 2.0 * np.pi * arc / 0.09 + own_phase[:, None], 0.8)
    return bent
