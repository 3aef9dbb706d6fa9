"""FeatureMemory's arbiter: priorities, order and latency of answers, nothing lost."""

import numpy as np

from accelgen.arch import ArchParams, timing
from tests.helpers.blocks import feature_memory
from tests.helpers.testbench import run_testbenches

ARCH = ArchParams(lanes=4, pixels=4, chain_pixels=1, pe_mode="single", feature_rows=24)
CLIENTS = ("write", "residual_read", "load", "store_read")


def offer(client, row, data, mask, rng):
    """A row to write, of two in ``write``'s, where ``mask`` says which of its pixels."""
    if client == "load":
        return {"row": row, "data": data}
    straight, other = bool(rng.integers(2)), rng.integers(-128, 128, np.shape(data)).tolist()
    return {
        "write": {"row": row, "data": other if straight else data},
        "straight": data if straight else other,
        "from_straight": straight,
        "mask": sum(int(on) << n for n, on in enumerate(mask)),
    }


def test_clients_by_priority_and_answers_on_time():
    dut = feature_memory(ARCH)
    rng = np.random.default_rng(0)
    stored = np.zeros((ARCH.feature_rows, ARCH.pixels, ARCH.lanes), int)
    expected = {"residual": {}, "store": {}}
    accepted = dict.fromkeys(CLIENTS, 0)
    wanted = dict.fromkeys(CLIENTS)  # row and data a client asks for until it is accepted
    writing = False  # a write accepted in the cycle before has the port

    async def bench(ctx):
        nonlocal writing
        for cycle in range(1000):
            for client in CLIENTS:
                if wanted[client] is None and rng.random() < 0.45:
                    row = int(rng.integers(0, ARCH.feature_rows))
                    data = rng.integers(-128, 128, stored[0].shape).tolist()
                    mask = rng.random(ARCH.pixels) < rng.choice([0.5, 1.0])
                    every = np.ones(ARCH.pixels, bool)
                    wanted[client] = row, data, mask if client == "write" else every
                port = getattr(dut, client)
                ctx.set(port.valid, wanted[client] is not None)
                if wanted[client]:
                    row, data, mask = wanted[client]
                    reads = client.endswith("read")
                    ctx.set(port.payload, row if reads else offer(client, row, data, mask, rng))

            first = None if writing else next((c for c in CLIENTS[1:] if wanted[c]), None)
            writing = wanted["write"] is not None
            # What is written comes behind the others of its cycle.
            for client in reversed(CLIENTS):
                port = getattr(dut, client)
                takes = client == first or (client == "write" and writing)
                assert ctx.get(port.valid & port.ready) == takes
                if not takes:
                    continue
                row, data, mask = wanted[client]
                accepted[client] += 1
                wanted[client] = None
                if client.endswith("read"):
                    due = cycle + timing.FEATURE_READ_LATENCY
                    expected[client.removesuffix("_read")][due] = stored[row].tolist()
                else:
                    stored[row][mask] = np.array(data)[mask]

            for name, port in (("residual", dut.residual_data), ("store", dut.store_data)):
                assert ctx.get(port.valid) == (cycle in expected[name])
                if cycle in expected[name]:
                    got = ctx.get(port.payload)
                    got = [[got[p][c] for c in range(ARCH.lanes)] for p in range(ARCH.pixels)]
                    assert got == expected[name].pop(cycle)
            await ctx.tick()

    run_testbenches(dut, bench)
    assert min(accepted.values()) > 20
