"""The documentation builds as a site without a warning, and asks nobody for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_builds(tmp_path):
    made = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr

    assert (tmp_path / "index.html").exists()
    assert "ArchParams" in (tmp_path / "api.html").read_text()
    for page in tmp_path.glob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]+)\"", page.read_text())
        assert loaded
        assert not [x for x in loaded if re.match(r"(https?:)?//", x)], page.name
