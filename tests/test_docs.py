"""What the documentation shows runs as written."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_lab_page_runs_as_written(tmp_path):
    """In one fresh interpreter, block after block, as a reader would type it."""
    text = (ROOT / "docs/lab.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join(blocks) + '\nprint(verdict.outside == ("rewards in [0, r_max]",))\n')
    done = subprocess.run(
        [sys.executable, "-W", "error", "page.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("True")
    assert "violated (certified)" in done.stdout
