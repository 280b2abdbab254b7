"""The integer formats of a shipped model.

Of `demarche-small`:

- 4-bit blocks for embeddings, those of ggml's Q4_0: 32 values share one f16 scale; byte `i` of a block's 16 bytes holds value `i`
  in its low nibble and value `i + 16` in its high nibble; value = (nibble - 8) * scale.
- 7-bit rows for linear weights: one scale per output channel, |q| <= 63, value = q * scale. Seven bits rather than eight, so that
  the sum of two products u8 * i8 stays below 2 * 255 * 63 = 32,130 and cannot saturate the i16 sums of x86's `maddubs`.

Of `demarche-nano`, whose size counts compressed:

- 4-bit rows for linear weights: nibbles in the order of the blocks, one scale per output channel, `step` root mean squares of the
  row. Large steps use few of the sixteen values often, and compress to their entropy, about 2.05 - log2(step) bits a value (that
  of a rounded normal variable). One value a byte would compress worse: gzip finds useless repetitions of three bytes.
- 2-bit rows for word embeddings: blocks of 32 values in 8 bytes; byte `i` holds the values `i`, `i + 8`, `i + 16`, `i + 24`, from
  the lowest bits on; value = (code - 2) * scale, one scale a row. The rows of frequent pieces use -1, 0 and 1, the others -1 and 1.
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


def round_words(values: torch.Tensor, frequent: torch.Tensor) -> torch.Tensor:
    """Embeddings [..., width] as `pack_words` can hold them: rows with three values where `frequent` [...], else with two. The scales
    are those that lose least of a normal variable (0.19 of its variance with three values, 0.36 with two). Rows that take such
    values already stay as they are."""
    peak = values.abs().amax(-1, keepdim=True)
    rounded = ((values.abs() == peak) | (values == 0)).all(-1, keepdim=True)
    three = 1.224 * values.square().mean(-1, keepdim=True).sqrt()
    two = values.abs().mean(-1, keepdim=True)
    frequent = frequent[..., None]
    scale = torch.where(frequent, three, two).clamp_min(1e-6).half().float()
    signs = torch.where(values < 0, -1.0, 1.0)
    return torch.where(rounded, values, torch.where(frequent, torch.round(values / scale).clamp(-1, 1), signs) * scale)


def pack_words(values: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What `round_words` made -> (codes u8 [rows, width / 4], scales f16 [rows])."""
    scale = values.abs().amax(1, keepdim=True).clamp_min(1e-6)
    codes = (values / scale + 2).round().to(torch.uint8).numpy().reshape(len(values), -1, 4, BLOCK // 4)
    packed = codes[..., 0, :] | codes[..., 1, :] << 2 | codes[..., 2, :] << 4 | codes[..., 3, :] << 6
    return packed.reshape(len(values), -1), scale[:, 0].half().numpy()


def unpack_words(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The inverse of `pack_words`: f32 [rows, width]."""
    blocks = packed.reshape(len(packed), -1, 1, BLOCK // 4)
    q = (blocks >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3).astype(np.float32) - 2
    return q.reshape(len(packed), -1) * scale.astype(np.float32)[:, None]


def unpack_q4(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The inverse of `pack_q4`: f32 [rows, width]."""
    rows = packed.shape[0]
    blocks = packed.reshape(rows, -1, BLOCK // 2)
    q = np.concatenate([blocks & 15, blocks >> 4], axis=-1).astype(np.float32) - 8
    return (q * scale.astype(np.float32)[..., None]).reshape(rows, -1)


def quantize_rows(weight: torch.Tensor, step: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """[out, in] f32 -> (i8 [out, in], f32 scales [out]): with `step` 0 |q| <= 63, else -8 to 7 in steps of `step` root mean squares
    of the row."""
    if step:
        scale = (step * weight.square().mean(dim=1).sqrt()).clamp_min(1e-8).half().float()
        return torch.round(weight / scale[:, None]).clamp(-8, 7).to(torch.int8), scale
    scale = weight.abs().amax(dim=1).clamp_min(1e-8) / LEVELS
    return torch.round(weight / scale[:, None]).clamp(-LEVELS, LEVELS).to(torch.int8), scale


def pack_rows(codes: torch.Tensor) -> torch.Tensor:
    """i8 [out, in] from -8 to 7 -> nibbles u8 [out, in / 2]."""
    blocks = (codes + 8).to(torch.uint8).numpy().reshape(len(codes), -1, BLOCK)
    return torch.from_numpy(pack_nibbles(blocks))


class StraightThrough(torch.autograd.Function):
    """Puts `rounded` in the place of `x`; gradients go to `x` as they are."""

    @staticmethod
    def forward(_, x: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        return rounded

    @staticmethod
    def backward(_, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


def fake_quantize_rows(weight: torch.Tensor, step: float = 0.0) -> torch.Tensor:
    """The weight as it will be after `quantize_rows`; gradients pass straight through."""
    q, scale = quantize_rows(weight.detach(), step)
    return StraightThrough.apply(weight, q * scale[:, None])


def fake_quantize_tokens(x: torch.Tensor, outlier: int | None = None) -> torch.Tensor:
    """Activations [..., width] as the engine's bytes hold them, code = round(x / scale) + zero, with one scale and one zero a token, so
    that the range from its lowest value to its highest, and 0, takes all 256 codes; straight-through gradients. The value `outlier`
    stays as it is and widens no range."""
    values = x.detach()
    if outlier is not None:
        values = values.clone()
        values[..., outlier] = 0
    low, high = values.amin(dim=-1, keepdim=True).clamp_max(0), values.amax(dim=-1, keepdim=True).clamp_min(0)
    scale = (high - low).clamp_min(1e-8) / 255
    zero = (-low / scale).round_()
    codes = values.div(scale).add_(zero).round_().clamp_(0, 255)
    rounded = codes.sub_(zero).mul_(scale)
    if outlier is not None:
        rounded[..., outlier] = x.detach()[..., outlier]
    return StraightThrough.apply(x, rounded)
