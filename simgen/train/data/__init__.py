"""Shards → the examples of a step: every sample read by its offset, every order a pure function of (seed, step).

    pairs = open_pairs(["out/demo"], split="train")
    sampler = BatchSampler(pairs, batch=8, seed=0, example_config=example_config)
    slots = sampler.of_rank(step, rank, world)
    examples = [build_example(pairs.source(slot.number), slot, example_config, seed=0) for slot in slots]

No example is mirrored or recoloured: in a mirrored picture the words "to the left" are false, and so is "the red mug"
in a recoloured one.
"""
