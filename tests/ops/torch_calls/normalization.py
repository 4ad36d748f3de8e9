"""Which calls prove the rules of normalization, and which are refused?"""

from .arguments import IMAGE, NORM, Call, Refused, Values, X

CALLS: list[Call] = [
    ("batch_norm.default", IMAGE, (X, *NORM, False, 0.1, 1e-3, False)),
    ("_native_batch_norm_legit_no_training.default", IMAGE, (X, *NORM, 0.1, 1e-5)),
    ("batch_norm.default", IMAGE, (X, *NORM[:2], None, None, True, 0.1, 1e-3, False)),
    ("layer_norm.default", (1, 5, 6), (X, [6], Values((6,)), Values((6,)))),
    ("layer_norm.default", (2, 5, 6), (X, [5, 6], Values((5, 6)), None, 1e-2)),
    ("layer_norm.default", (7,), (X, [7])),
    ("layer_norm.default", IMAGE, (X, [8], None, None, 1e-5, False)),
    ("native_layer_norm.default", IMAGE, (X, [4, 9, 8], Values((4, 9, 8)), Values((4, 9, 8)), 1e-5)),
    ("rms_norm.default", (1, 5, 6), (X, [6], Values((6,)), 1e-6)),
    ("rms_norm.default", (3, 5, 6), (X, [5, 6], None, 1e-2)),
    ("group_norm.default", IMAGE, (X, 2, Values((4,)), Values((4,)))),
    ("group_norm.default", IMAGE, (X, 1, Values((4,)), None, 1e-3)),
    ("group_norm.default", IMAGE, (X, 4, Values((4,)), Values((4,)))),
    ("group_norm.default", (1, 24), (X, 4, Values((24,)), Values((24,)))),
    ("group_norm.default", (2, 6, 5), (X, 3)),
    ("native_group_norm.default", IMAGE, (X, Values((4,)), Values((4,)), 1, 4, 72, 2, 1e-5)),
    ("instance_norm.default", IMAGE, (X, None, None, None, None, True, 0.1, 1e-5, False)),
    ("instance_norm.default", (2, 4, 9), (X, None, None, None, None, True, 0.1, 1e-5, False)),
    ("instance_norm.default", (1, 4, 9), (X, *NORM[:2], None, None, True, 0.1, 1e-5, False)),
    ("instance_norm.default", IMAGE, (X, *NORM, False, 0.1, 1e-5, False)),
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
    ("layer_norm.default", (1, 6), (X, [6], X), "'weight' is computed by the network"),
    ("instance_norm.default", (2, 4), (X, None, None, None, None, True, 0.1, 1e-5, False), "each channel"),
]
