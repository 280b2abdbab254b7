"""Stage `export`: the shipped directory, and back from it to an ordinary float checkpoint.

Tensors of the shipped file have the names of `BertForSequenceClassification`:

- linear weights of the encoder layers and the pooler: `X.weight` i8 [out, in] and `X.scale` f32 [out]; in the encoder layers also
  `X.input_scale` f32 [in], by which the engine multiplies the inputs before it rounds them: value = weight * scale * input_scale;
- `bert.embeddings.word_embeddings.weight` u8 [pieces, width / 2] and `….scale` f16 [pieces, width / 32], 4-bit blocks;
- positions f16; classifier, norms, biases, token types f32.

In the small form, of a run with `row_step` and `ternary`, linear weights are u8 [out, in / 2] and words u8 [pieces, width / 4], both with scales
[rows]; positions are 4-bit blocks, and all else, scales too, is f16. See `quantize` for what the integers mean.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

from .labels import LANGUAGES
from .model import QuantLinear, prepare, set_input_scales, set_outliers
from .quantize import BLOCK, pack_q4, pack_rows, pack_words, quantize_rows, round_words, unpack_q4, unpack_words

WORDS = "bert.embeddings.word_embeddings"
POSITIONS = "bert.embeddings.position_embeddings.weight"
LINEAR = {"bits": 7, "scheme": "symmetric per output channel", "value": "weight * scale * input_scale"}
BLOCKS = {"bits": 4, "block": 32, "value": "(nibble - 8) * scale", "order": "low nibbles first"}
SMALL_LINEAR = BLOCKS | {"scheme": "one scale per output channel"}
SMALL_WORDS = {"bits": 2, "block": 32, "value": "(code - 2) * scale", "order": "low bits first", "scheme": "one scale per row"}


def is_small(model: BertForSequenceClassification) -> bool:
    """Whether the shipped file takes the small form: the run has a `row_step`."""
    return bool(model.bert.pooler.dense.step)


def quantized_tensors(model: BertForSequenceClassification) -> dict[str, torch.Tensor]:
    """The tensors of the shipped file."""
    linear = {name: module for name, module in model.named_modules() if isinstance(module, QuantLinear)}
    small = is_small(model)
    out = {}
    for name, tensor in model.state_dict().items():
        owner = name.removesuffix(".weight")
        tensor = tensor.detach().float().cpu()
        if name == WORDS + ".weight" and small:
            frequent = torch.arange(len(tensor)) < model.bert.embeddings.word_embeddings.ternary
            out[name], out[owner + ".scale"] = map(torch.from_numpy, pack_words(round_words(tensor, frequent)))
        elif name == WORDS + ".weight" or (name == POSITIONS and small):
            out[name], out[owner + ".scale"] = map(torch.from_numpy, pack_q4(tensor.numpy()))
        elif name.endswith(".weight") and owner in linear:
            input_scale = linear[owner].input_scale
            if input_scale is not None:
                out[owner + ".input_scale"] = input_scale.cpu()
                tensor = tensor / out[owner + ".input_scale"]
            codes, scale = quantize_rows(tensor, linear[owner].step)
            out[name], out[owner + ".scale"] = (pack_rows(codes), scale.half()) if small else (codes, scale)
        else:
            out[name] = tensor.half() if small or name == POSITIONS else tensor
    return {name: tensor.contiguous() for name, tensor in out.items()}


def float_tensors(shipped: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """f32 tensors of the shipped ones: what a model of floats with the same values holds."""
    out = {}
    for name, tensor in shipped.items():
        if name.endswith((".scale", ".input_scale")):
            continue
        scale = shipped.get(name.removesuffix(".weight") + ".scale")
        if scale is None:
            out[name] = tensor.float()
        elif tensor.dtype != torch.uint8:
            out[name] = tensor.float() * scale[:, None]
            input_scale = shipped.get(name.removesuffix(".weight") + ".input_scale")
            if input_scale is not None:
                out[name] *= input_scale
        elif name == WORDS + ".weight" and scale.ndim == 1:
            out[name] = torch.from_numpy(unpack_words(tensor.numpy(), scale.numpy()))
        else:
            blocks = tensor.shape[1] * 2 // BLOCK
            scales = scale if scale.ndim == 2 else scale[:, None].repeat(1, blocks)
            out[name] = torch.from_numpy(unpack_q4(tensor.numpy(), scales.numpy()))
    return out


def config_of(model: BertForSequenceClassification, decisions: dict) -> dict:
    """config.json: what transformers needs, and our keys under `demarche`."""
    kept = "architectures model_type vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act"
    kept += " hidden_dropout_prob attention_probs_dropout_prob max_position_embeddings type_vocab_size layer_norm_eps"
    kept += " pad_token_id position_embedding_type id2label label2id problem_type"
    config = model.config.to_dict()
    config = {key: config[key] for key in kept.split()}
    forms = (SMALL_LINEAR, SMALL_WORDS) if is_small(model) else (LINEAR, BLOCKS)
    quantization = dict(zip(("linear", "embeddings"), forms))
    return config | {"demarche": decisions | {"languages": LANGUAGES, "quantization": quantization}}


def write_config(model: BertForSequenceClassification, decisions: dict, out: Path) -> None:
    """Writes config.json alone, with other decisions than before."""
    (out / "config.json").write_text(json.dumps(config_of(model, decisions), indent=2) + "\n")


def export(model: BertForSequenceClassification, tokenizer: Path, decisions: dict, out: Path) -> None:
    """Writes config.json, tokenizer.json, model.safetensors. `decisions`: thresholds, precise_thresholds, temperatures, biases; and the outliers."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(quantized_tensors(model), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    write_config(model, decisions, out)
    if tokenizer.resolve() != (out / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, out / "tokenizer.json")
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"export: {out}: {size / 1e6:.1f} MB")


def load(folder: Path) -> BertForSequenceClassification:
    """A shipped directory as a float model."""
    model = BertForSequenceClassification(BertConfig.from_pretrained(folder))
    shipped = load_file(folder / "model.safetensors")
    model.load_state_dict(float_tensors(shipped))
    prepare(model, None)
    set_input_scales(model, {name.removesuffix(".input_scale"): scale for name, scale in shipped.items() if name.endswith(".input_scale")})
    outliers = json.loads((folder / "config.json").read_text())["demarche"].get("outliers")
    if outliers:
        set_outliers(model, outliers)
    return model.eval()


def export_float(folder: Path, out: Path) -> None:
    """The shipped directory `folder` as an ordinary Hugging Face directory of f32 weights."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(float_tensors(load_file(folder / "model.safetensors")), out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["demarche"].pop("quantization")
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copyfile(folder / "tokenizer.json", out / "tokenizer.json")
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    names |= {"cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    tokenizer["model_input_names"] = ["input_ids", "attention_mask"]
    (out / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    print(f"export: float checkpoint in {out}")
