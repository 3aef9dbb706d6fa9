"""Tables of what binds: read from docs/networks.md, fresh in the pages that have them."""

from pathlib import Path

import pytest

from accelgen.bench import binds_page
from accelgen.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs"
NETWORKS = """
| mobilenet_v2@224 | 300.8 | yes | 300,000 | 900.0 |  |  |  | 70.0 %; window 12%, pixels 7% |
| mobilenet_v2@256 | 400.8 | yes | 300,000 | 500.0 | 1 | 2 | yes | 90.0 % |
| unet@224 |  | node 'a' needs b |  |  |  |  |  |  |
"""


@pytest.mark.parametrize("name", binds_page.PAGES)
def test_tables_are_fresh(name):
    rows = binds_page.read_rows((DOCS / "networks.md").read_text())
    text = (DOCS / name).read_text()

    assert text == binds_page.with_tables(text, rows), "run python -m accelgen.bench.binds_page"
    assert "<!-- rows: " in text


def test_what_guidance_says_in_words():
    """Where this fails, the sentence beside the table is another, too."""
    rows = binds_page.read_rows((DOCS / "networks.md").read_text())

    def of(*names):
        return [next(r for n, r in rows.items() if n.startswith(f"{name}@")) for name in names]

    small = of("shufflenet_v2", "mcunet", "mobilenet_v3_small")
    assert max(small, key=lambda r: float(r.mmac)) is small[0]
    assert min(small, key=lambda r: r.fps).fps > 0.9 * small[0].fps
    assert small[1].bound[0][0] == "window"
    assert [cause for cause, _ in small[2].bound].count("processor") == 1

    v1, ghost = of("shufflenet_v1", "ghostnet")
    assert float(v1.mmac) < float(small[0].mmac)
    assert v1.cycles > small[0].cycles
    assert {cause for cause, _ in ghost.bound[:2]} == {"ddr", "window"}

    v2, v3, v4, one = of(
        "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v4_conv_small", "mobileone_s0"
    )
    assert float(v3.mmac) < float(v2.mmac)
    assert v3.cycles > v2.cycles
    assert (v4.bound[0][0], one.bound) == ("ddr", ())
    assert all(share < 10 for _, share in v2.bound)

    lite, b0, b4, plain, gated = of(
        "efficientnet_lite0", "efficientnet_b0", "efficientnet_b4", "resnet50", "se_resnet50"
    )
    assert lite.fps > b0.fps
    assert b4.bound[0][0] == "ddr"
    assert dict(gated.bound)["ddr"] > dict(plain.bound)["ddr"]


def test_a_table_by_hand():
    rows = binds_page.read_rows(NETWORKS)
    text = "A\n<!-- rows: all -->\nold\n<!-- end -->\nB\n"

    lines = binds_page.with_tables(text, rows).splitlines()

    assert list(rows) == ["mobilenet_v2@224", "mobilenet_v2@256"]
    assert lines[:2] + lines[-2:] == ["A", "<!-- rows: all -->", "<!-- end -->", "B"]
    # 1 ms of 1.11 and of 2 is the PL's.
    assert lines[5] == (
        "| `zoo:mobilenet_v2` | 300.8 | 300,000 | 900.0 | 70.0 % "
        "| window 12 %, processor 10 %, pixels 7 % |"
    )
    assert lines[6] == (
        "| `zoo:mobilenet_v2@256` | 400.8 | 300,000 | 500.0 | 90.0 % | processor 50 % |"
    )


def test_a_row_that_is_not_there():
    with pytest.raises(ConfigError, match="no estimate of unet@224: run python -m accelgen"):
        binds_page.with_tables(
            "<!-- rows: unet@224 -->\n<!-- end -->\n", binds_page.read_rows(NETWORKS)
        )
