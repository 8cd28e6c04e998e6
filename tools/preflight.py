"""Says in one line why the lab cannot be installed here, before anything is; runs on any Python.

Usage: python tools/preflight.py FOLDER
"""
import shutil
import sys

NEEDED = 6  # GiB; the installed packages take 3.3, pip's downloads 1.2 on the way

if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit("Python %d.%d found; MindSpore needs 3.10, 3.11 or 3.12: make PYTHON=/path/to/python3.11"
             % sys.version_info[:2])
free = shutil.disk_usage(sys.argv[1]).free / 2.0**30
if free < NEEDED:
    sys.exit("%.1f GiB of disk free here; the lab's packages need %d GiB: make room or clone it elsewhere"
             % (free, NEEDED))
