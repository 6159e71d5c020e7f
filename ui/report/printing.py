"""Printing: the page to PDF, by a browser that is there. Chromium knows margins, breaks and page numbers of CSS."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ui.report.rows import ReportError

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PATIENCE_S = 300.0


def browser() -> str:
    """The program that prints; ReportError says how to get one."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    if Path(MAC).exists():
        return MAC
    raise ReportError(
        "a PDF is printed by Chromium, Chrome or Edge, and none is on the PATH: apt install chromium, or write .html "
        "(it opens anywhere, and prints from any browser)"
    )


def pdf(page: str, patience_s: float = PATIENCE_S) -> bytes:
    """The page as PDF."""
    program = browser()
    with tempfile.TemporaryDirectory(prefix="meltwin-report-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        command = [
            program, "--headless", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses to start as root with it
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience_s)
        except subprocess.TimeoutExpired:
            raise ReportError(f"{program} did not print the page in {patience_s:.0f} s: write .html instead") from None
        if not target.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ReportError(f"{program} did not print the page: {last}; write .html instead")
        return target.read_bytes()
