"""Is a board that is wrong ever verified, or one that is right refused, for what a line or a reset does?

benchmarks/harness.py prints the whole table; here are the faults that need no firmware of their own.
"""

from concurrent.futures import ThreadPoolExecutor

from harness import LIMIT_S, LINE, RESETS, endured, on_line, reset_in_the_middle

from firmnet.artifact import Artifact

RECOVERED = (
    *("dropped byte, once", "truncated frame, once", "garbage before hello"),
    *("full output queue that waits", "full output queue that loses, once"),
)
NOTICED = {
    "dropped byte in every answer": "CRC-32 of the answer",
    "full output queue that loses": "CRC-32 of the answer",
    "duplicated frame": "number of the answer",
    "replayed answer": "number of the answer",
    "lying hello: fingerprint": "fingerprint",
    "lying hello: layers": "hello against manifest",
    **dict.fromkeys(RESETS, "session in hello"),
}


def test_no_fault_of_line_or_board_is_verified_though_wrong_or_goes_unnamed(small: Artifact) -> None:
    with ThreadPoolExecutor(4) as pool:  # they wait, mostly
        faults = [*RECOVERED, *NOTICED]
        jobs = [pool.submit(on_line if f in LINE else reset_in_the_middle, small, f) for f in faults]
        results = {fault: job.result() for fault, job in zip(faults, jobs, strict=True)}
    for fault in RECOVERED:
        assert results[fault].how == "recovered", results[fault]
    for fault, by in NOTICED.items():
        assert (results[fault].how, results[fault].by) == ("refused", by), results[fault]
    assert max(told.seconds for told in results.values()) < 3 * LIMIT_S  # of a machine that is busy


def test_of_many_inferences_on_a_bad_line_none_is_wrong(small: Artifact) -> None:
    found = endured(small, 200, share=0.05)
    assert found.damaged > 10
    assert found.wrong == 0
