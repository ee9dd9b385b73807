# SPDX-License-Identifier: Apache-2.0
"""loop.py SECONDS: an interpreter that is busy."""

import sys
import time


def busy(numbers):
    total = 0
    for number in numbers:
        total += number * number % 7
    return total


until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    busy(range(20000))
