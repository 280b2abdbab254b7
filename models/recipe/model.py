"""The classifier: an ordinary `BertForSequenceClassification`, made of some layers of the base, and a faster way to run it.

Only the first token's state reaches the head, so the last layer's queries, output and feed-forward are computed for that
token alone; the logits are the same as the model's own.
"""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertLayer

from .labels import LABELS
from .quantize import StraightThrough, fake_quantize_rows, fake_quantize_tokens, round_words


#: Inner values of a feed-forward layer that share a scale and a zero, as in the engine.
GROUP = 384


class QuantLinear(nn.Linear):
    """A linear layer that can act as its shipped form would: integer weights, 8-bit activations."""

    fake = False
    #: The step of the weights, see `quantize`; None where they are already what the integers say.
    step: float | None = 0.0
    #: The input that stays out of the codes, see `find_outliers`.
    outlier: int | None = None
    #: What the inputs are multiplied by before they are rounded, [in], see `find_input_scales`.
    input_scale: torch.Tensor | None = None
    #: Inputs that share a scale and a zero; None: all do.
    group: int | None = None
    #: Whether the inputs are rounded, too. The engine computes the head in floats.
    rounds_inputs = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.fake:
            return super().forward(x)
        weight = self.weight
        if self.input_scale is not None:
            x, weight = x * self.input_scale, weight / self.input_scale
        if self.step is not None:
            weight = fake_quantize_rows(weight, self.step)
        if self.rounds_inputs:
            parts = x.split(self.group or x.shape[-1], -1)
            x = torch.cat([fake_quantize_tokens(part, self.outlier) for part in parts], -1)
        return F.linear(x, weight, self.bias)


class QuantWords(nn.Embedding):
    """Word embeddings that act in few bits, as they would be shipped: those of the `ternary` first pieces in three values, the
    others in two. Gradients pass straight through to the values behind."""

    ternary: int

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows = super().forward(ids)
        return StraightThrough.apply(rows, round_words(rows.detach(), ids < self.ternary))


def build(
    base: Path, layers: list[int], dropout: float = 0.0, row_step: float = 0.0, ternary: int = 0, inner: int = 0
) -> BertForSequenceClassification:
    """A classifier from the layers `layers` of the BERT encoder in `base`; pooler and classifier start at random. `row_step`:
    as `prepare` takes it; `ternary`: lets the word embeddings act in few bits, see `QuantWords`. With feed-forward layers of another width `inner`,
    the layers start at random too."""
    if row_step and not ternary:
        raise ValueError("row_step needs ternary, the number of word embeddings of three values: the small form keeps words in 2 bits")
    config = BertConfig.from_pretrained(base)
    config.architectures = ["BertForSequenceClassification"]
    config.num_hidden_layers = len(layers)
    config.problem_type = "multi_label_classification"
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    config.classifier_dropout = 0.1
    config.intermediate_size = inner or config.intermediate_size
    model = BertForSequenceClassification(config)
    tensors = load_file(base / "model.safetensors")
    renamed = {"bert." + name: tensor for name, tensor in tensors.items() if not name.startswith("encoder.")}
    for new, old in enumerate([] if inner else layers):
        prefix = f"encoder.layer.{old}."
        for name, tensor in tensors.items():
            if name.startswith(prefix):
                renamed[f"bert.encoder.layer.{new}." + name.removeprefix(prefix)] = tensor
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    own = ("classifier.", "bert.pooler.", *(["bert.encoder."] if inner else []))
    assert not unexpected and all(name.startswith(own) for name in missing), (missing, unexpected)
    if ternary:
        words = model.bert.embeddings.word_embeddings
        words.__class__ = QuantWords
        words.ternary = ternary
    return prepare(model, row_step)


def keep_layers(model: BertForSequenceClassification, layers: list[int]) -> None:
    """Leaves `model` the layers `layers`, in this order."""
    model.bert.encoder.layer = nn.ModuleList([model.bert.encoder.layer[number] for number in layers])
    model.config.num_hidden_layers = len(layers)


def prepare(model: BertForSequenceClassification, row_step: float | None = 0.0) -> BertForSequenceClassification:
    """Lets the linear layers of encoder and pooler act quantised on demand, with weights of the step `row_step`. The word
    embeddings stay as they are."""
    for part in (model.bert.encoder, model.bert.pooler):
        for module in part.modules():
            if type(module) is nn.Linear:
                module.__class__ = QuantLinear
                module.step = row_step
    for layer in model.bert.encoder.layer:
        layer.output.dense.group = GROUP
    model.bert.pooler.dense.rounds_inputs = False
    return model


def set_fake_quantization(model: nn.Module, on: bool) -> None:
    """Whether the layers that can act quantised do."""
    for module in model.modules():
        if isinstance(module, QuantLinear):
            module.fake = on


@torch.no_grad()
def watch_inputs(
    model: BertForSequenceClassification,
    linears: Iterable[nn.Module],
    batches: list[tuple[torch.Tensor, torch.Tensor]],
    see: Callable[[nn.Module, torch.Tensor], None],
) -> None:
    """Lets `model` read `batches` of (ids, mask), and shows `see` each of `linears` with its input [batch, tokens, in]."""
    watches = [linear.register_forward_pre_hook(lambda linear, inputs: see(linear, inputs[0])) for linear in linears]
    for ids, mask in batches:
        logits(model, ids, mask)
    for watch in watches:
        watch.remove()


def find_outliers(model: BertForSequenceClassification, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, list[int]]:
    """For each layer the hidden value in which the first token, whose state the head reads, is greatest, on the mean over `batches` of (ids,
    mask): of what queries, keys and values are made from, and of what the feed-forward layer reads. Beside it the others would share few codes."""
    sizes: dict[nn.Module, torch.Tensor | int] = {}

    def measure(linear: nn.Module, x: torch.Tensor) -> None:
        sizes[linear] = sizes.get(linear, 0) + x[:, 0].abs().sum(0)

    layers = model.bert.encoder.layer
    readers = {"attention": [layer.attention.self.key for layer in layers], "feed_forward": [layer.intermediate.dense for layer in layers]}
    watch_inputs(model, sum(readers.values(), []), batches, measure)
    return {kind: [int(sizes[linear].argmax()) for linear in linears] for kind, linears in readers.items()}


def find_input_scales(model: BertForSequenceClassification, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """For each linear layer of the encoder one over the root of the root mean square of each of its inputs, over the tokens of `batches` of
    (ids, mask): name -> [in]. Multiplied by it, inputs are more alike in size, and so are the weights divided by it, whose columns were small
    where inputs were great. SmoothQuant (Xiao et al. 2023) with half of the difference on either side; but here the engine multiplies, for the
    norm before the layer is also what is added after it."""
    squares: dict[nn.Module, torch.Tensor | int] = {}
    tokens: dict[nn.Module, int] = {}

    def measure(linear: nn.Module, x: torch.Tensor) -> None:
        squares[linear] = squares.get(linear, 0) + x.flatten(0, 1).square().sum(0)
        tokens[linear] = tokens.get(linear, 0) + x.shape[0] * x.shape[1]

    linears = {name: module for name, module in model.named_modules() if isinstance(module, QuantLinear) and module.rounds_inputs}
    # Queries and values read what keys read (queries in the last layer but a part of it).
    readers = {name: linears[re.sub("[.](query|value)$", ".key", name)] for name in linears}
    watch_inputs(model, set(readers.values()), batches, measure)
    scales = {}
    for name, linear in readers.items():
        size = (squares[linear] / tokens[linear]).sqrt()
        scales[name] = size.clamp_min(0.01 * size.mean()).rsqrt()
    return scales


def set_input_scales(model: BertForSequenceClassification, scales: dict[str, torch.Tensor]) -> None:
    """Lets the layers that can act quantised multiply their inputs by `scales`, see `find_input_scales`."""
    for name, scale in scales.items():
        model.get_submodule(name).input_scale = scale.to(model.device)


def set_outliers(model: BertForSequenceClassification, outliers: dict[str, list[int]]) -> None:
    """Lets the layers that can act quantised leave out what `find_outliers` found, as the engine does. (In training they do not, nor do
    they scale their inputs: there they act a little coarser than they are shipped.)"""
    for layer, own, inner in zip(model.bert.encoder.layer, outliers["attention"], outliers["feed_forward"], strict=True):
        attention = layer.attention.self
        attention.query.outlier = attention.key.outlier = attention.value.outlier = own
        layer.intermediate.dense.outlier = inner


def heads(x: torch.Tensor, count: int) -> torch.Tensor:
    """[batch, tokens, hidden] -> [batch, heads, tokens, hidden / heads]."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def attend(layer: BertLayer, asking: torch.Tensor, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The attention of a layer with its output and norm: of the tokens `asking` [batch, some, hidden] to those of `x` [batch, tokens,
    hidden] that `mask` [batch, tokens] leaves open."""
    attention = layer.attention.self
    count = attention.num_attention_heads
    state = F.scaled_dot_product_attention(
        heads(attention.query(asking), count),
        heads(attention.key(x), count),
        heads(attention.value(x), count),
        attn_mask=mask[:, None, None, :].bool(),
        dropout_p=attention.dropout.p if layer.training else 0.0,
    )
    return layer.attention.output(state.transpose(1, 2).flatten(2), asking)


def logits(
    model: BertForSequenceClassification, ids: torch.Tensor, mask: torch.Tensor, states: list[torch.Tensor] | None = None
) -> torch.Tensor:
    """ids, mask: [batch, tokens] -> logits [batch, labels]. What each layer puts out is appended to `states`: [batch, tokens,
    hidden], of the last layer the first token's only."""
    x = model.bert.embeddings(input_ids=ids)
    layers = list(model.bert.encoder.layer)
    for number, layer in enumerate(layers):
        state = attend(layer, x[:, :1] if number == len(layers) - 1 else x, x, mask)
        x = layer.output(layer.intermediate(state), state)
        if states is not None:
            states.append(x)
    return model.classifier(model.dropout(model.bert.pooler(x)))


def parameter_groups(
    model: BertForSequenceClassification, rate: float, decay: float, weight_decay: float, words_rate: float
) -> list[dict]:
    """Learning rates that fall by `decay` a layer from the top; the head learns twice as fast; no decay of biases, norms. The word
    embeddings have a rate of their own; with 0 they stay as they are."""
    depth = model.config.num_hidden_layers
    words = model.bert.embeddings.word_embeddings.weight
    words.requires_grad = words_rate > 0
    groups: dict[tuple[float, float], list] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("bert.encoder.layer."):
            own = rate * math.pow(decay, depth - 1 - int(name.split(".")[3]))
        elif parameter is words:
            own = words_rate
        elif name.startswith("bert.embeddings."):
            own = rate * math.pow(decay, depth)
        else:
            own = 2 * rate
        groups.setdefault((own, weight_decay if parameter.ndim > 1 and parameter is not words else 0.0), []).append(parameter)
    return [{"params": params, "lr": own, "weight_decay": wd} for (own, wd), params in groups.items()]


@torch.no_grad()
def attend_evenly(model: BertForSequenceClassification, emphasis: float = 4.0) -> None:
    """Makes the first token begin as a mean over the sentence: in the last layer its queries are 0, so that it looks at all
    tokens alike, and what it sees weighs `emphasis` times as much beside its own state. Training goes on from there. (The
    base was taught by mean pooling; the first token of its lower layers knows nothing of the sentence.)"""
    attention = model.bert.encoder.layer[-1].attention
    attention.self.query.weight.zero_()
    attention.self.query.bias.zero_()
    attention.output.dense.weight.mul_(emphasis)
    attention.output.dense.bias.mul_(emphasis)


@torch.no_grad()
def standardise(
    model: BertForSequenceClassification, batches: list[tuple[torch.Tensor, torch.Tensor]], deviation: float = 0.5
) -> None:
    """Gives the first token's last state mean 0 and one deviation in every dimension over `batches` of (ids, mask), by the
    gain and bias of the last layer norm, which nothing but the head reads. The base's states are nearly alike for all
    texts; without this the head takes hundreds of steps to see a difference."""
    states: list[torch.Tensor] = []
    pooler = model.bert.pooler
    watch_inputs(model, [pooler], batches, lambda _, x: states.append(x[:, 0]))
    state = torch.cat(states)
    gain = deviation / state.std(0).clamp_min(1e-3)
    norm = model.bert.encoder.layer[-1].output.LayerNorm
    norm.weight.mul_(gain)
    norm.bias.sub_(state.mean(0)).mul_(gain)
    pooler.dense.weight.normal_(0, 1 / math.sqrt(pooler.dense.in_features))
    print(f"standardise: {len(state)} states, deviation {state.std(0).mean():.4f}, mean size {state.mean(0).abs().mean():.3f}")
