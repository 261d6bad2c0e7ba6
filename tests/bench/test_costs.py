"""The steps whose cost is measured are really taken: what they compute is what numpy computes."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.bench.costs import CHAIN, GROUPS, MEMORY_BYTES, SHARED_WORDS, STEPS, STRIDE, THREADS, Costs, links
from app.gpu import Device


@pytest.fixture
def costs(gpu: Device) -> Iterator[Costs]:
    before = gpu.live_objects
    with Costs(gpu) as made:
        yield made
    after = {kind: gpu.live_objects.get(kind, 0) - count for kind, count in before.items()}
    assert max(after.values()) <= 2  # a device keeps what transfers use


def test_every_step_is_taken(gpu: Device, costs: Costs) -> None:
    found = costs.measure()
    assert set(found) == {"dispatch_ns", "memory_copy_gb_s", *STEPS} and all(value > 0 for value in found.values())
    results = {name: costs.results(name) for name in STEPS}

    lanes, steps = gpu.info.subgroup_size, STEPS["subgroup_ns"].steps
    np.testing.assert_array_equal(results["subgroup_ns"], (lanes - 1) * steps + np.arange(lanes))
    rounds = STEPS["workgroup_barrier_ns"].rounds
    np.testing.assert_array_equal(results["workgroup_barrier_ns"], np.arange(THREADS) + rounds * sum(range(16)))
    assert results["multiply_add_ns"].view(np.float32).item() == 2.0  # what x / 2 + 1 ends at

    near, far = links(SHARED_WORDS, 1), links(MEMORY_BYTES // 4, STRIDE)
    for name, chain in (("shared_latency_ns", near), ("memory_latency_ns", far)):
        place = 0
        for _ in range(STEPS[name].steps):
            place = int(chain[place])
        assert results[name].item() == place

    thread = np.arange(GROUPS * THREADS, dtype=np.uint32)
    vectors, step = near.reshape(-1, 4), STEPS["shared_read_gb_s"]
    index = (thread[:THREADS, None] + 8 * np.arange(step.count)) % len(vectors)
    read = vectors[index].sum(axis=(1, 2), dtype=np.uint32) * np.uint32(step.rounds)
    np.testing.assert_array_equal(results["shared_read_gb_s"], thread + np.tile(read, GROUPS))
    read = far.reshape(STEPS["memory_read_gb_s"].steps, len(thread), 4).sum(axis=(0, 2), dtype=np.uint32)
    np.testing.assert_array_equal(results["memory_read_gb_s"], thread + read)
    step = STEPS["shared_broadcast_gb_s"]
    total = np.repeat(np.arange(step.groups * THREADS, dtype=np.uint32)[:, None], 4, axis=1)
    for vector in vectors[: step.count]:
        total = (total ^ vector) + np.uint32(1)
    np.testing.assert_array_equal(results["shared_broadcast_gb_s"], total.sum(axis=1, dtype=np.uint32))


def test_times_become_what_a_step_costs_and_what_is_read_a_second(
    costs: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If everything took 2 ms; GB are 10^9 bytes."""
    monkeypatch.setattr(costs, "_milliseconds", lambda _: 2.0)
    found = costs.measure()
    assert found["dispatch_ns"] == pytest.approx(2e6 / CHAIN)
    for name in ("multiply_add_ns", "memory_latency_ns"):
        assert found[name] == pytest.approx(2e6 / (STEPS[name].count * STEPS[name].rounds))
    all_of_it = MEMORY_BYTES / 2e-3 / 1e9
    assert found["memory_read_gb_s"] == pytest.approx(all_of_it)  # each thread's share of it, once
    assert found["memory_copy_gb_s"] == pytest.approx(all_of_it)  # half of it, read and written
    broadcast = STEPS["shared_broadcast_gb_s"]
    assert found["shared_broadcast_gb_s"] == pytest.approx(16 * broadcast.count * broadcast.groups * THREADS / 2e6)


def test_links_are_one_chain() -> None:
    chain = links(1024, 64)
    assert not np.delete(chain.reshape(16, 64), 0, axis=1).any()
    place, visited = 0, []
    for _ in range(16):
        place = int(chain[place])
        visited.append(place)
    assert sorted(visited) == list(range(0, 1024, 64)) and place == 0
