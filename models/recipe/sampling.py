"""What a training epoch is made of: translations drawn per group, style augmentation, batches of one length."""

import random
import re
from collections.abc import Iterator

import torch
from tokenizers import Tokenizer

from .data import Row, by_group

QUOTES = [("“", "”"), ("„", "“"), ("«", "»"), ("»", "«"), ('"', '"'), ("‘", "’"), ("「", "」"), ("”", "”")]
QUOTED = re.compile("[“„«»\"”「]([^“„«»\"”「」]+)[”“»«\"」]")
RARE = {"threat", "concession"}
#: The part of the unlabelled sentences that an epoch holds.
UNLABELLED = 0.5


def draws(rows: list[Row], chance: random.Random) -> int:
    """How many translations of a group an epoch holds: articles in 24 languages more than picked sentences in two to six."""
    row = rows[0]
    if row.kind == "unlabelled":
        return int(chance.random() < UNLABELLED)
    if row.kind == "ntrex":
        return 5 if row.labels else 3
    return 2 if RARE & set(row.labels) else 1


def epoch_rows(rows: list[Row], seed: int) -> list[Row]:
    """The rows of one epoch, in no order."""
    chance = random.Random(seed)
    picked = []
    for members in by_group(rows).values():
        # Translations made for the purpose, into languages that have little else.
        always = [row for row in members if row.kind == "translated"]
        others = [row for row in members if row.kind != "translated"]
        picked += always + chance.sample(others, min(draws(others, chance) if others else 0, len(others)))
    return picked


def restyle(text: str, chance: random.Random) -> str:
    """Now and then another quotation style, no final stop, or another case: what headlines and feeds do to a sentence."""
    if chance.random() < 0.15:
        opening, closing = chance.choice(QUOTES)
        text = QUOTED.sub(lambda match: opening + match.group(1) + closing, text)
    if chance.random() < 0.08:
        text = text.rstrip(".。।")
    style = chance.random()
    if style < 0.02:
        text = text.lower()
    elif style < 0.03:
        text = text.upper()
    elif style < 0.06:
        text = text.strip("“„«»\"”「」 ")
    return text or "."


def encode(tokenizer: Tokenizer, texts: list[str], limit: int) -> list[list[int]]:
    """Token ids of each text; over-long ones keep their beginning and the final </s>."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    return [one if len(one) <= limit else one[: limit - 1] + one[-1:] for one in ids]


def batches(lengths: list[int], tokens: int, seed: int | None) -> Iterator[list[int]]:
    """Indices of rows of about one length, at most `tokens` after padding; shuffled if a seed is given."""
    order = list(range(len(lengths)))
    chance = random.Random(seed)
    if seed is not None:
        chance.shuffle(order)
    order.sort(key=lambda i: lengths[i])
    out: list[list[int]] = []
    for i in order:
        if not out or (len(out[-1]) + 1) * lengths[i] > tokens:
            out.append([])
        out[-1].append(i)
    if seed is not None:
        chance.shuffle(out)
    return iter(out)


def pad(ids: list[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lists of ids -> (ids, mask), both [batch, longest]."""
    width = max(map(len, ids))
    padded = torch.tensor([one + [padding] * (width - len(one)) for one in ids])
    mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in ids])
    return padded, mask
