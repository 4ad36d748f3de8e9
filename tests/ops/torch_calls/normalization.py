"""Which calls prove the rules of normalization, and which are refused?"""

from .arguments import IMAGE, NORM, Call, Refused, Values, X

CALLS: list[Call] = [
    ("batch_norm.default", IMAGE, (X, *NORM, False, 0.1, 1e-3, False)),
    ("_native_batch_norm_legit_no_training.default", IMAGE, (X, *NORM, 0.1, 1e-5)),
]

REFUSED: list[Refused] = [
    ("batch_norm.default", IMAGE, (X, X, *NORM[1:], False, 0.1, 1e-3), "'weight' is computed by the network"),
    (
        "_native_batch_norm_legit_no_training.default",
        IMAGE,
        (X, *NORM[:3], Values((4,)), 0.1, 1e-5),
        "running variance is -.* in channel 0",
    ),
    ("batch_norm.default", IMAGE, (X, *NORM, True, 0.1, 1e-3, False), "the statistics of its input"),
    ("batch_norm.default", IMAGE, (X, None, None, None, None, False, 0.1, 1e-3, False), "running statistics"),
]
