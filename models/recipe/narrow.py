"""Narrower feed-forward layers: the neurons of a trained encoder that its output needs most, the others' part taken over by them.

The optimal brain surgeon for whole columns, as in ZipLM (Kurtić et al. 2023): with H = mean(h hᵀ) over the tokens of some texts, h what a
layer's neurons put out, leaving out neuron j costs |w_j|² / (H⁻¹)_jj, w_j its column of the output weights; the cheapest goes, the
others' columns change by least squares, H⁻¹ loses a row and a column, and so on. Layer after layer, on what the layers below,
narrowed already, put out.
"""

import torch
from tqdm import tqdm
from transformers import BertForSequenceClassification

from .model import attend

#: Neurons that go at once.
STEP = 16


def surgeon(weight: torch.Tensor, second_moment: torch.Tensor, keep: int) -> tuple[torch.Tensor, torch.Tensor]:
    """weight [out, neurons], second_moment [neurons, neurons] -> (indices of `keep` neurons, their new weight [out, keep])."""
    weight = weight.double()
    inverse = second_moment.double()
    inverse.diagonal().add_(0.01 * inverse.diagonal().mean())
    inverse = torch.linalg.inv(inverse)
    left = torch.arange(weight.shape[1], device=weight.device)
    while len(left) > keep:
        cost = weight.square().sum(0) / inverse.diagonal()
        order = cost.argsort()
        # A few at a time: so few hardly stand in for each other.
        gone, stay = order[: min(STEP, len(left) - keep)], order[min(STEP, len(left) - keep) :].sort().values
        share = torch.linalg.solve(inverse[gone][:, gone], inverse[gone][:, stay])
        weight = weight[:, stay] - weight[:, gone] @ share
        inverse = inverse[stay][:, stay] - inverse[stay][:, gone] @ share
        left = left[stay]
    return left, weight.float()


@torch.no_grad()
def narrow(model: BertForSequenceClassification, inner: int, parts: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Leaves every layer of `model` `inner` neurons; `parts`: texts as (ids, mask) [batch, tokens], some 50,000 tokens in all."""
    model.eval()
    states = [model.bert.embeddings(input_ids=ids) for ids, _ in parts]
    for layer in tqdm(model.bert.encoder.layer, desc="narrow"):
        up, down = layer.intermediate.dense, layer.output.dense
        moment = torch.zeros(up.out_features, up.out_features, device=up.weight.device)
        tokens = 0
        for number, (x, (_, mask)) in enumerate(zip(states, parts)):
            states[number] = attend(layer, x, x, mask)
            inside = layer.intermediate(states[number])[mask.bool()]
            moment += inside.T @ inside
            tokens += len(inside)
        chosen, weight = surgeon(down.weight, moment / tokens, inner)
        up.weight, up.bias = (torch.nn.Parameter(part[chosen].clone()) for part in (up.weight, up.bias))
        down.weight = torch.nn.Parameter(weight)
        up.out_features = down.in_features = inner
        states = [layer.output(layer.intermediate(state), state) for state in states]
    model.config.intermediate_size = inner
