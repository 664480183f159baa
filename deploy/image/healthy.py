#!/usr/bin/env python3
"""Exit 0 when the service in this container can work: ``pictor-healthy PORT``."""

import sys
import urllib.request

with urllib.request.urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/health/ready", timeout=4) as answer:
    sys.exit(0 if answer.status == 200 else 1)
