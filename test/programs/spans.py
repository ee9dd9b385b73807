# SPDX-License-Identifier: Apache-2.0
# Half of its CPU time is in spans, of a tracer that publishes what a thread works on. Prints "trace span" of each.
import time

from ddtrace.trace import tracer


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


while True:
    with tracer.trace("request") as span:
        print(f"{span.trace_id:032x} {span.span_id:016x}", flush=True)
        burn(0.25)
    burn(0.25)
