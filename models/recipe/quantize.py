"""The two integer formats of a shipped model: 4-bit blocks for embeddings, 7-bit rows for linear weights.

4-bit blocks are those of ggml's Q4_0: 32 values share one f16 scale; byte `i` of a block's 16 bytes holds value `i` in
its low nibble and value `i + 16` in its high nibble; value = (nibble - 8) * scale.

7-bit rows: one f32 scale per output channel, |q| <= 63, value = q * scale. Seven bits rather than eight, so that the sum
of two products u8 * i8 stays below 2 * 255 * 63 = 32,130 and cannot saturate the i16 sums of x86's `maddubs`.

Both can be filled coarsely: with a scale of `step` root mean squares of the row, few of the integers occur, and the file
compresses to the entropy of those that do, about 2.05 - log2(step) bits a value (that of a rounded normal variable).
Nothing changes for the reader.
"""

import numpy as np
import torch

BLOCK = 32
LEVELS = 63


def pack_q4(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[rows, width] f32 -> (nibbles u8 [rows, width/2], scales f16 [rows, width/32]).

    The scale is the value of greatest magnitude over -8, so values that came from Q4_0 blocks come back as they were.
    """
    rows, width = values.shape
    blocks = values.reshape(rows, width // BLOCK, BLOCK).astype(np.float32)
    peak = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    scale = (peak / -8).astype(np.float16)
    divisor = np.where(scale == 0, 1, scale).astype(np.float32)
    q = np.clip(np.rint(blocks / divisor[..., None]) + 8, 0, 15).astype(np.uint8)
    return pack_nibbles(q), scale


def pack_nibbles(blocks: np.ndarray) -> np.ndarray:
    """Values from 0 to 15, [rows, blocks, 32] -> bytes [rows, width / 2]."""
    packed = blocks[..., :16] | (blocks[..., 16:] << 4)
    return packed.reshape(len(blocks), -1)


def word_codes(values: torch.Tensor, step: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [..., width] -> (whole numbers from -8 to 7, scale [..., 1]) in the coarse form: all blocks of a row share a
    scale, `step` root mean squares as f16 holds it."""
    scale = (step * values.square().mean(-1, keepdim=True).sqrt()).clamp_min(1e-6).half().float()
    return torch.round(values / scale).clamp(-8, 7), scale


def pack_coarse_q4(values: torch.Tensor, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Like `pack_q4`, in the coarse form."""
    q, scale = word_codes(values, step)
    blocks = (q + 8).to(torch.uint8).numpy().reshape(len(q), -1, BLOCK)
    return pack_nibbles(blocks), scale.half().numpy().repeat(blocks.shape[1], axis=1)


def fake_quantize_words(values: torch.Tensor, step: float) -> torch.Tensor:
    """Embeddings [..., width] as they will be after `pack_coarse_q4`; gradients pass straight through."""
    q, scale = word_codes(values.detach(), step)
    return values + (q * scale - values.detach())


def unpack_q4(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The inverse of `pack_q4`: f32 [rows, width]."""
    rows = packed.shape[0]
    blocks = packed.reshape(rows, -1, BLOCK // 2)
    q = np.concatenate([blocks & 15, blocks >> 4], axis=-1).astype(np.float32) - 8
    return (q * scale.astype(np.float32)[..., None]).reshape(rows, -1)


def row_scales(weight: torch.Tensor, step: float) -> torch.Tensor:
    """The scale per output channel of a [out, in] weight: `step` root mean squares, or as coarse as it takes for the largest
    magnitude to become 63; with `step` 0 that is the scale."""
    finest = weight.abs().amax(dim=1).clamp_min(1e-8) / LEVELS
    return torch.maximum(finest, step * weight.square().mean(dim=1).sqrt())


def quantize_rows(weight: torch.Tensor, step: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """[out, in] f32 -> (i8 [out, in] with |q| <= 63, f32 scales [out])."""
    scale = row_scales(weight, step)
    q = torch.round(weight / scale[:, None]).clamp(-LEVELS, LEVELS)
    return q.to(torch.int8), scale


def fake_quantize_rows(weight: torch.Tensor, step: float = 0.0) -> torch.Tensor:
    """The weight as it will be after `quantize_rows`; gradients pass straight through."""
    q, scale = quantize_rows(weight.detach(), step)
    return weight + (q * scale[:, None] - weight.detach())


def fake_quantize_tokens(x: torch.Tensor) -> torch.Tensor:
    """Activations [..., width] as 8-bit integers of one scale a token would hold them; straight-through gradients."""
    scale = x.detach().abs().amax(dim=-1, keepdim=True).clamp_min(1e-8) / 127
    return x + (torch.round(x.detach() / scale) * scale - x.detach())
