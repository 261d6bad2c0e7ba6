"""What the figures of the bench's report mean, for its tables and its page; in the order in which they are shown."""

from collections.abc import Collection

FRAME = {
    "fps_512_traced": "frames/s at 512x512, lights at rest",
    "fps_512_raster": "frames/s at 512x512, lights at rest, G-buffer rasterised",
    "fps_720_raster": "frames/s at 1280x720, lights at rest, G-buffer rasterised",
    "fps_720_traced": "frames/s at 1280x720, lights at rest",
    "fps_512_light_moving": "frames/s at 512x512, key light moving",
    "fps_720_light_moving": "frames/s at 1280x720, key light moving",
    "python_ms": "Python's share of a frame at rest, ms",
    "python_ms_light_moving": "Python's share, key light moving, ms",
    "pygfx_fps_512": "pygfx, plain shading of the same head, frames/s at 512x512",
    "raster_over_pygfx": "G-buffer rasterised / pygfx, frames/s",
    "key_to_picture_ms": "from a key to the picture in another mode, 512x512, ms",
    "key_to_reference_ms": "from a key to the reference's first picture, 512x512, ms",
    "gbuffer_ms_512_traced": "G-buffer and its depth pass, 512x512, ms",
    "gbuffer_ms_512_raster": "G-buffer rasterised and its pass of triangles, 512x512, ms",
    "gbuffer_raster_over_traced": "G-buffer traced / rasterised, time",
    "face_triangles_ms_512": "the pass of triangles alone, 512x512, ms",
    "light_cache_ms": "light cache, ms a sample of all points",
    "light_cache_ms_moving": "light cache, ms a sample while the key light moves",
    "reference_ms_512": "reference, ms a sample of all pixels, 512x512",
    "reference_samples_per_s": "reference, path samples/s",
    "reference_head_samples_per_s": "reference, samples/s that hit a head of skin",
    "mitsuba_head_samples_per_s": "Mitsuba's volpath, the same head, samples/s",
    "reference_over_mitsuba": "reference / Mitsuba, samples/s",
    "noise_cost_over_mitsuba": "reference / Mitsuba, variance x time",
}
NETWORK = {
    "tile_network_ms_full": "tile network, 512x512 all face, ms",
    "tile_network_ms_1": "the same with one network for all tiles, ms",
    "tile_network_ms_2000": "the same with 2,000 networks, ms",
    "wide_generalist_ms": "the wide generalist alone, the same picture, ms",
    "compile_s": "compiling the tile network for the first time, s",
    "compile_s_wide": "compiling the wide one for the first time, s",
    "tile_hash_ms_full": "tile hash, the same picture, ms",
    "hash_share": "tile hash / tile network",
    "sgemm_gflops": "numpy's sgemm, 2048x2048, GFLOP/s",
    "fused_gflops": "tile network, GFLOP/s",
    "fused_gflops_deep": "deeper tile network, GFLOP/s",
    "fused_gflops_wide": "wide tile network, GFLOP/s",
    "layered_gflops": "the same layer by layer, GFLOP/s",
    "layered_gflops_deep": "deeper networks layer by layer, GFLOP/s",
    "conv32_gflops": "3x3 convolutions, 32 channels, GFLOP/s",
    "conv64_gflops": "3x3 convolutions, 64 channels, GFLOP/s",
    "conv128_gflops": "3x3 convolutions, 128 channels, GFLOP/s",
    "best_cpu_gflops": "quickest library on the CPU, the same networks, GFLOP/s",
}
RATIOS = {
    "fused_share_of_sgemm": "tile network / sgemm, GFLOP/s",
    "fused_share_of_sgemm_deep": "deeper tile network / sgemm, GFLOP/s",
    "many_over_one": "tile network, 2,000 networks / one, time",
    "fused_over_wide_generalist": "wide generalist / tile network, time",
    "fused_over_layered": "layer by layer / tile network, time",
    "fused_over_layered_deep": "the same, deeper networks, time",
    "conv32_over_fused": "convolutions, 32 channels / deeper network, time",
    "conv64_over_fused": "convolutions, 64 channels / deeper network, time",
    "conv128_over_fused": "convolutions, 128 channels / deeper network, time",
    "fused_over_torch_batch": "torch, one network at once / tile network, time",
    "fused_over_torch_batch_reused": "the same, memory is allocated once, time",
    "fused_over_torch_chunks": "torch, one network in chunks / tile network, time",
    "fused_over_torch_many": "torch, networks in groups / tile network, time",
    "fused_over_openvino_batch": "OpenVINO, one network at once / tile network, time",
    "fused_over_openvino_chunks": "OpenVINO, one network in chunks / tile network, time",
    "fused_over_openvino_many": "OpenVINO, networks in groups or together / tile network, time",
    "fused_over_ncnn_vulkan": "ncnn by Vulkan, one network / tile network, time",
    "fused_over_ncnn_cpu": "ncnn on the CPU, one network / tile network, time",
    "fused_over_best_cpu": "quickest library on the CPU / tile network, many networks, time",
    "fused_over_best_cpu_wide": "the same, wide networks, time",
}
COSTS = {
    "multiply_add_ns": "multiplication and addition in a thread, ns",
    "subgroup_ns": "subgroup operation, ns",
    "workgroup_barrier_ns": "barrier of a workgroup of 256 threads, ns",
    "dispatch_ns": "empty dispatch and barrier, ns",
    "shared_latency_ns": "dependent read, shared memory, ns",
    "memory_latency_ns": "dependent read, 134 MB of memory, ns",
    "shared_broadcast_gb_s": "shared memory, one word for all threads, GB/s",
    "shared_read_gb_s": "shared memory, a word a thread, GB/s",
    "memory_read_gb_s": "134 MB of memory, a word a thread, GB/s",
    "memory_copy_gb_s": "copy in memory, read and written, GB/s",
}
CHANNELS = {
    "zero_channels_generalist": "generalist: hidden channels zero at a pixel",
    "zero_channels_experts": "experts: the same",
    "idle_channels_generalist": "generalist: zero at all pixels of a tile",
    "idle_channels_experts": "experts: the same",
    "zero_channels_wide_generalist": "wide generalist: hidden channels zero at a pixel",
    "idle_channels_wide_generalist": "wide generalist: zero at all pixels of a tile",
}
SECTIONS = {
    "frames": FRAME,
    "networks": NETWORK,
    "ratios, each of times taken in turn": RATIOS,
    "synchronisation and memory": COSTS,
    "share of irrelevant channels, this view": CHANNELS,
}
MEANINGS = {name: meaning for section in SECTIONS.values() for name, meaning in section.items()}
NEEDS = {
    "mitsuba": frozenset(name for name in FRAME if "head_samples" in name or "mitsuba" in name),
    **{
        package: frozenset(name for name in MEANINGS if package in name)
        for package in ("torch", "openvino", "ncnn", "pygfx")
    },
}
"""Figures that are missing without a package."""
BEST = frozenset(name for name in MEANINGS if "best_cpu" in name)
"""Those that need one of the libraries that compute many networks: torch or OpenVINO."""


KEYS = frozenset(name for name in MEANINGS if name.startswith("key_to"))
"""Those that need a display."""
NO_RAYS = frozenset({"fps_720_raster"})
"""Those that are there only without ray tracing, in place of traced ones."""
WIDE_GENERALIST = frozenset(name for name in MEANINGS if "wide_generalist" in name)
"""Those that need --wide."""


def absent(present: Collection[str]) -> frozenset[str]:
    """The figures that are missing where of app.bench.packages.PACKAGES these are present."""
    missing = [names for package, names in NEEDS.items() if package not in present]
    return frozenset[str]().union(*missing, () if {"torch", "openvino"} & {*present} else BEST)
