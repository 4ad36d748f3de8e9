"""Of what is PyTorch's attention composed? A function here is traced by torch.export, see compositions.py."""

from typing import Any

import torch
from torch import Tensor


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Several heads of queries may share one of keys: these then stand beside an axis of their own."""
    if dropout_p:
        return NotImplemented
    shared = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    if shared > 1:
        query = query.reshape(*query.shape[:-3], key.shape[-3], shared, *query.shape[-2:])
        key, value = key.unsqueeze(-3), value.unsqueeze(-3)
        attn_mask = _beside(attn_mask, key.shape[-4], shared)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    mixed: Tensor = scores.softmax(-1) @ value
    return mixed.flatten(-4, -3) if shared > 1 else mixed


def _beside(mask: Tensor | None, groups: int, shared: int) -> Tensor | None:
    """A mask of heads as one of groups of them."""
    if mask is None or mask.ndim < 3:
        return mask
    return (
        mask.unsqueeze(-3)
        if mask.shape[-3] == 1
        else mask.reshape(*mask.shape[:-3], groups, shared, *mask.shape[-2:])
    )
