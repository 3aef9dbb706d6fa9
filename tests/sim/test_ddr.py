"""The DDR model keeps its promises: bandwidth, sharing, latency, refresh, stalls, errors, data."""

import struct
from dataclasses import replace

import pytest

from accelgen.errors import ConfigError
from accelgen.simulation.bench import DdrSettings, Disturbance
from tests.sim.traffic import BODY, COPY, READ_F, READ_W, SOURCE, WRITE_F, command, job, run

BURSTS = 1000
BYTES = BURSTS * 256
#: Cycles beside the data of one long command: fetching it, the latency, the last beats.
SLACK = 200


def bytes_per_cycle(result, moved=BYTES):
    """Bandwidth of the first command."""
    assert result.error == ""
    return moved / (result.log[0] - SLACK)


def test_bandwidth_is_what_was_asked_for(tmp_path):
    rates = [1.5, 7.0, 13.147, 15.9]
    results = run(tmp_path, *(job(command(READ_W, BURSTS), bytes_per_cycle=r) for r in rates))

    for rate, result in zip(rates, results, strict=True):
        assert bytes_per_cycle(result) == pytest.approx(rate, rel=0.01)


def test_one_port_moves_at_most_a_beat_per_cycle_and_three_share_more(tmp_path):
    one, three = run(
        tmp_path,
        job(command(READ_W, BURSTS), bytes_per_cycle=60),
        job(command(READ_W | READ_F | WRITE_F, BURSTS), bytes_per_cycle=36),
    )

    assert bytes_per_cycle(one) == pytest.approx(16, rel=0.01)
    assert bytes_per_cycle(three, 3 * BYTES) == pytest.approx(36, rel=0.01)


def test_ports_share_fairly(tmp_path):
    # Looked at half-way: each of three has had a third, though all want more.
    program = command(READ_W | READ_F | WRITE_F, BURSTS)
    (half,) = run(tmp_path, replace(job(program, bytes_per_cycle=9), max_cycles=40_000))

    assert "not done after 40000 cycles" in half.error
    assert 16 * sum(half.beats.values()) == pytest.approx(9 * 40_000, rel=0.02)
    for port in ("w", "fr", "fw"):
        assert half.beats[port] == pytest.approx(3 / 16 * 40_000, rel=0.02)


def test_refresh_stops_everything_but_leaves_the_average(tmp_path):
    without, with_refresh, rare = run(
        tmp_path,
        job(command(READ_W, BURSTS)),
        job(command(READ_W, BURSTS), refresh_interval=1170, refresh_cycles=30),
        job(command(READ_W, 4, beats=1), command(READ_W, 60), refresh_interval=1000,
            refresh_cycles=900, bytes_per_cycle=1.5),
    )  # fmt: skip

    assert bytes_per_cycle(with_refresh) == pytest.approx(bytes_per_cycle(without), rel=0.01)
    # 960 beats at the 15 bytes per cycle that are left take more than a thousand cycles: the
    # second of two windows of 100 cycles waits for a refresh of 900.
    assert rare.log[1] - rare.log[0] > 900


def test_default_settings_are_the_ultra96(tmp_path):
    (result,) = run(tmp_path, job(command(READ_W, BURSTS), refresh_interval=1170))

    assert bytes_per_cycle(result) == pytest.approx(0.925 * 4264 / 300, rel=0.01)


def test_the_processing_systems_traffic_takes_its_share(tmp_path):
    small, large = run(
        tmp_path,
        job(command(READ_W, BURSTS), bytes_per_cycle=13, competing_bytes_per_cycle=4),
        job(command(READ_W, BURSTS), bytes_per_cycle=13, competing_bytes_per_cycle=20),
    )

    assert bytes_per_cycle(small) == pytest.approx(9, rel=0.01)
    # More than half is refused: the port still has its turn.
    assert bytes_per_cycle(large) == pytest.approx(6.5, rel=0.01)
    assert 16 * large.beats["ps"] == pytest.approx(BYTES, rel=0.02)


@pytest.mark.parametrize("latency", [3, 60, 500])
def test_first_beat_comes_after_the_latency(tmp_path, latency):
    (result,) = run(tmp_path, job(command(READ_W, 1), latency_cycles=latency))

    # The stand-in keeps its measurement there.
    assert result.counters["array_busy"] == latency


def test_latency_is_hidden_when_bursts_overlap(tmp_path):
    # 16 bursts of 256 bytes in flight cover 300 cycles at 13.1 bytes per cycle.
    (result,) = run(tmp_path, job(command(READ_W, BURSTS), latency_cycles=250))

    assert BYTES / (result.log[0] - 450) == pytest.approx(0.925 * 4264 / 300, rel=0.01)


@pytest.mark.parametrize("stalls", [0.0, 0.3, 0.9])
def test_data_survives_random_stalls(tmp_path, stalls):
    size = 100 * 16 * 8
    (result,) = run(
        tmp_path,
        job(
            command(READ_F | WRITE_F | COPY, 100, beats=8),
            command(WRITE_F, 1, to=1 << 19),
            dumps=[(1 << 20, size), (1 << 19, 256), (SOURCE, len(BODY))],
            stalls=stalls,
        ),
    )

    assert result.error == ""
    assert result.violations == ()
    copied, pattern, source = result.dumps
    assert copied == BODY[:size]
    assert pattern == b"".join(struct.pack("<I", 16 - i) * 4 for i in range(16))
    assert source == BODY


def test_stalls_slow_down_and_repeat_with_their_seed(tmp_path):
    program = command(READ_W | READ_F | WRITE_F, 200)
    none, first, again, other = run(
        tmp_path,
        job(program),
        job(program, stalls=0.5, seed=1),
        job(program, stalls=0.5, seed=1),
        job(program, stalls=0.5, seed=2),
    )

    assert first.log == again.log
    assert first.log[0] != other.log[0]
    assert first.log[0] > none.log[0]


def test_jobs_do_not_disturb_each_other(tmp_path):
    quiet = job(command(READ_W | READ_F, 100))
    alone, *_, after = run(
        tmp_path, quiet, job(command(WRITE_F, 50), stalls=0.8, latency_cycles=300, base=0), quiet
    )

    assert after.log == alone.log
    assert after.beats == alone.beats


def test_an_address_range_answers_with_errors(tmp_path):
    base = 0x4_0000_0000
    bad = {"error_low": base + (1 << 20) + 512, "error_high": base + (1 << 20) + 528}
    read, write, beside = run(
        tmp_path,
        job(command(READ_F, 10, source=1 << 20), base=base, **bad),
        job(command(WRITE_F, 10), base=base, dumps=[((1 << 20) + 512, 16)], **bad),
        job(command(READ_F | WRITE_F, 2), base=base, **bad),
    )

    assert "AXI error: a read was refused at address 0xbad" in read.error
    assert "AXI error" in write.error
    assert write.dumps[0] == bytes(16)
    assert beside.error == ""


def test_addresses_outside_the_memory_answer_with_errors(tmp_path):
    above, below, fine = run(
        tmp_path,
        job(command(READ_W, 1, source=256 << 20)),
        job(command(READ_W, 1, source=0xFFFF_F000), base=0x1000),
        job(command(READ_W, 1, source=(256 << 20) - 256)),
    )

    assert "AXI error" in above.error
    assert "AXI error" in below.error
    assert fine.error == ""


def test_a_program_that_hangs_is_reported_with_its_progress(tmp_path):
    # At a hundredth of a byte per cycle nothing gets done in time.
    events = []
    stuck, next_one = run(
        tmp_path,
        job(command(READ_W, 1), command(READ_W, BURSTS), bytes_per_cycle=0.01),
        job(command(READ_W, 1)),
        on_event=events.append,
    )

    assert "not done after 400000 cycles, 1 EXECs completed" in stuck.error
    assert stuck.counters["execs"] == 1
    assert next_one.error == ""
    assert {"event": "progress", "job": 0, "cycles": 100000, "execs": 1} in events


FAULTS = {
    1: "m_axi_w AR valid dropped before ready",
    2: "m_axi_w AR payload changed before ready",
    3: "m_axi_w AR burst of 16 beats at 0400001ff0 crosses 4 KiB",
    4: "m_axi_f wlast is 0 on beat 16 of a burst of 16",
    5: "m_axi_w AR beats are 2**2 bytes, not 16",
    6: "m_axi_f W payload changed before ready",
    7: "m_axi_w AR burst of 20 beats at 0400001000 is over 256 bytes",
    8: "m_axi_w AR burst type is 0, not INCR",
    9: "m_axi_w AR address 0400001008 is not a multiple of 16",
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.items())
def test_breaches_of_the_protocol_are_seen(tmp_path, fault, message):
    # Enough bursts to fill the queues, so that channels have to wait.
    (result,) = run(tmp_path, job(command(READ_W | WRITE_F, 40), stalls=0.3), fault=fault)

    assert result.violation_count >= len(result.violations) > 0
    assert any(message in v for v in result.violations), result.violations


def test_bursts_outside_the_image_are_seen(tmp_path):
    """What is asked for counts, whoever answers: the memory is larger than the image."""
    inside, read, write = run(
        tmp_path,
        job(command(READ_W, 4, source=SOURCE + 4096 - 1024), image_bytes=SOURCE + 4096),
        job(command(READ_F, 5, source=SOURCE + 4096 - 1024), image_bytes=SOURCE + 4096),
        job(command(WRITE_F, 1, to=1 << 20), image_bytes=1 << 20),
    )

    assert inside.violations == ()
    assert "window: m_axi_f AR burst of 16 beats" in read.violations[0]
    assert "window: m_axi_f AW burst of 16 beats" in write.violations[0]


def test_a_memory_that_stands_still_answers_later(tmp_path):
    traffic = command(READ_W | READ_F | WRITE_F, 40)
    quick, frozen = run(
        tmp_path,
        job(traffic),
        replace(job(traffic), disturbance=Disturbance(freeze_at=60, freeze_cycles=5000)),
    )

    assert frozen.error == ""
    assert frozen.beats == quick.beats
    assert 4900 < frozen.cycles - quick.cycles < 5100


def test_jobs_can_follow_each_other_without_a_reset(tmp_path):
    one = job(command(READ_W | READ_F | WRITE_F, 20))
    alone, *others = run(tmp_path, one, replace(one, begin="go on"), replace(one, begin="load"))

    for other in others:
        assert (other.error, other.violations) == ("", ())
        assert other.beats == alone.beats


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="stalls must be a probability from 0 to below 1, not 1"):
        DdrSettings(stalls=1.0)
    with pytest.raises(ConfigError, match="at least 3 cycles"):
        DdrSettings(latency_cycles=1)
    with pytest.raises(ConfigError, match="shorter than the time between two"):
        DdrSettings(refresh_interval=10, refresh_cycles=10)
    with pytest.raises(ConfigError, match="bytes per cycle must be"):
        DdrSettings(bytes_per_cycle=0)


def test_a_duplex_memory_moves_as_much_in_either_direction(tmp_path):
    program = command(READ_W | WRITE_F, BURSTS)
    shared, duplex = run(
        tmp_path, *(job(program, bytes_per_cycle=8, duplex=d) for d in (False, True))
    )

    assert bytes_per_cycle(shared, 2 * BYTES) == pytest.approx(8, rel=0.01)
    assert bytes_per_cycle(duplex, 2 * BYTES) == pytest.approx(16, rel=0.01)
