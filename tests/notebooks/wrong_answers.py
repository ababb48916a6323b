"""Answers to the tutorials' exercises that their checks must refuse, as code in the place of the exercise."""

from __future__ import annotations

WRONG = {
    "01_first_run": (
        "enough_gbps, found = 100, {50: run_with(50).speedups()['dualpath']}",
        "enough_gbps = 8e-9 * read_bytes['basic'] / runs['oracle']['jct_s'] / gpu.storage_efficiency; found = {50: 1.05}",
        "found = {50: run_with(50).speedups()['dualpath']}",
    ),
    "02_the_storage_wall": ("needed_gbps = 400", "needed_gbps = ratios['qwen-32b'] * (GPUS * LINEAR_FLOPS_PER_S / 1e15) * 8"),
    "03_two_paths": (
        "low, high, fits_1p4d, limit = 1 / 7, 3.5, True, 'receives'",
        "low, high, fits_1p4d, limit = 1 / 3, 1.5, True, 'receives'",
        "low, high, fits_1p4d, limit = 1 / 3, 1.5, False, 'sends'",
        "low, high, fits_1p4d, limit = 1 / 3, 2.0, False, 'sends'",
    ),
    "04_virtual_lanes": (
        "part_at_0, part_at_255, enough, set_255 = 1 / 4, 0, 16, False",
        "part_at_0, part_at_255, enough, set_255 = 1 / 8, 0, 128, False",
        "part_at_0, part_at_255, enough, set_255 = 1 / 8, 0, 2, False",
        "part_at_0, part_at_255, enough, set_255 = 1 / 8, 0, 16, True",
    ),
    "05_the_scheduler": (
        "one_path, like = scenario, 'dualpath'",
        "one_path, like = scenario.with_values({'system': 'layerwise'}), 'layerwise'",
        "one_path, like = scenario.with_values({'mechanisms.dual_path': False}), 'roundrobin'",
    ),
    "06_compute_quota": (
        "def most_that_fit(cached): return 1",
        "def most_that_fit(cached): return 2048",
        "def most_that_fit(cached): return by_halving(cached) + 1",
    ),
    "07_your_own_policy": ("Split = ShorterQueue", "class Split(OnlyPathOne): split = True"),
    "08_reproduce_the_paper": (
        "jct_by_scale = {'basic': {1: 3, 2: 2, 3: 1}, 'dualpath': {1: 3, 2: 2, 3: 1}}",
        "jct_by_scale = {'basic': solved['dualpath'], 'dualpath': solved['basic']}",
    ),
    "09_your_own_cluster": ("hit_rate = 0", "hit_rate = 0.9"),
    "10_beyond_the_paper": ("enough_gbps = 25", "enough_gbps = 800", "enough_gbps = 300"),
}
