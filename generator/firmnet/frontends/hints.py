"""What can a user do about an operator firmnet does not have?"""

HINTS = {
    "sigmoid": "use nn.ReLU6 inside; leave a final sigmoid out and move its threshold",
    "tanh": "use nn.Hardtanh",
    "gelu": "use nn.ReLU or nn.ReLU6 and train again",
    "silu": "use nn.ReLU6 and train again",
    "elu": "use nn.ReLU and train again",
    "hardswish": "use nn.ReLU6 and train again",
    "hardsigmoid": "use nn.ReLU6 and train again",
    "leaky_relu": "use nn.ReLU",
    "prelu": "use nn.ReLU",
    "softplus": "use nn.ReLU",
    "log_softmax": "leave it out and use the raw scores, or use nn.Softmax",
    "layer_norm": "use nn.BatchNorm1d or nn.BatchNorm2d: it costs nothing on the board",
    "group_norm": "use nn.BatchNorm2d: it costs nothing on the board",
    "instance_norm": "use nn.BatchNorm2d: it costs nothing on the board",
    "lstm": "recurrent layers are not there yet: use nn.Conv2d over the time axis",
    "gru": "recurrent layers are not there yet: use nn.Conv2d over the time axis",
    "rnn_tanh": "recurrent layers are not there yet: use nn.Conv2d over the time axis",
    "rnn_relu": "recurrent layers are not there yet: use nn.Conv2d over the time axis",
    "scaled_dot_product_attention": "attention is not there yet: use convolutions",
    "embedding": "look the rows up outside the model and give them as its float32 input",
    "conv1d": "use nn.Conv2d with kernel (1, k) on x.unsqueeze(2)",
    "conv3d": "fold depth into the channels and use nn.Conv2d",
    "conv_transpose1d": "deploy the encoder alone, or enlarge the picture on the host",
    "conv_transpose2d": "deploy the encoder alone, or enlarge the picture on the host",
    "upsample_nearest2d": "enlarge the picture on the host, outside the model",
    "upsample_bilinear2d": "enlarge the picture on the host, outside the model",
    "avg_pool1d": "use nn.AvgPool2d on x.unsqueeze(2)",
    "max_pool1d": "use nn.MaxPool2d on x.unsqueeze(2)",
    "adaptive_max_pool2d": "use nn.MaxPool2d with the sizes written out, or nn.AdaptiveAvgPool2d",
    "mul": "fold a constant into the weights before it",
    "div": "fold a constant divisor into the weights of the layer before it",
    "sub": "negate the weights of the branch and add; fold a constant into a bias",
    "matmul": "use nn.Linear for constant weights; products of two activations are not there yet",
    "mm": "use nn.Linear for constant weights; products of two activations are not there yet",
    "bmm": "products of two activations are not there yet",
    "mean": "use nn.AdaptiveAvgPool2d(1) for the mean over height and width",
    "sum": "use nn.AdaptiveAvgPool2d(1): a mean differs from the sum by a constant factor only",
    "slice": "cut the data before it enters the model, or split the layer that makes it in two",
    "select": "cut the data before it enters the model, or use flatten to drop axes of size 1",
    "split": "replace the layer before it by one layer per part",
    "split_with_sizes": "replace the layer before it by one layer per part",
    "chunk": "replace the layer before it by one layer per part",
    "stack": "use torch.cat",
    "expand": "let the layer before it produce the full shape",
    "repeat": "let the layer before it produce the full shape",
    "argmax": "leave it out: predict() returns the class with the highest score",
    "to": "keep the model in float32 throughout",
    "pad": "only padding height and width with zeros is supported: use the padding option of nn.Conv2d",
    "bernoulli": "switch dropout off: export the model after model.eval()",
    "native_batch_norm": "export the model after model.eval()",
    "native_batch_norm_legit": "export the model after model.eval()",
}
DEFAULT = "replace it by layers firmnet has (see docs), or compute it outside the model"


def op_name(target: str) -> str:
    """The bare operator: "aten._native_batch_norm_legit.default" → "native_batch_norm_legit"."""
    parts = target.split(".")
    return parts[1 if len(parts) > 1 else 0].strip("_")


def hint(target: str) -> str:
    """What to do instead of the operator named by its full name in the exported graph."""
    return HINTS.get(op_name(target), DEFAULT)
