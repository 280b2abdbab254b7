"""Stage `train`: fine-tunes the classifier; every state needed to go on is in its checkpoint."""

import json
import random
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional as F
from tqdm import tqdm
from transformers import BertForSequenceClassification

from .annotations import training_rows
from .data import Row, by_group, find, read_rows
from .export import float_tensors
from .measure import best_thresholds, truth
from .model import attend_evenly, build, keep_layers, logits, parameter_groups, set_fake_quantization, standardise
from .narrow import narrow
from .sampling import batches, encode, epoch_rows, pad, restyle


@dataclass
class Settings:
    """What a run is made of. Rates are those of the top layer."""

    name: str = "small"
    #: The folder of WORK that has the embeddings and the tokenizer.
    base: str = "trimmed"
    layers: tuple[int, ...] = tuple(range(12))
    epochs: int = 4
    rate: float = 2e-4
    layer_decay: float = 0.88
    weight_decay: float = 0.01
    warm_up: float = 0.06
    dropout: float = 0.1
    tokens: int = 1536
    limit: int = 160
    #: The last part of the steps, in which linear layers act as they would be shipped.
    quantized_share: float = 0.12
    #: How coarse the shipped weights will be, and how many word embeddings take three values, the others two; see `quantize`.
    row_step: float = 0.0
    ternary: int = 0
    #: The rate of the word embeddings (0: they stay as they are).
    words_rate: float = 0.0
    #: Neurons of a feed-forward layer, if fewer than in the layers of `start` (0: as many).
    inner: int = 0
    smoothing: float = 0.01
    seed: int = 1
    #: Of a student: its teacher's run, and how much the teacher says against the labels.
    teacher: str = ""
    teacher_share: float = 0.5
    #: Unlabelled sentences that the teacher reads.
    unlabelled: int = 40_000
    #: Layers of the teacher whose states the student's layers take on, in the first part `follow_share` of the steps.
    follow: tuple[int, ...] = ()
    follow_share: float = 0.3
    #: A finished run to start from; `layers` then are layers of it rather than of the base.
    start: str = ""
    #: End early after so many steps, to look at the curve (0: do not).
    stop: int = 0


def run_settings(folder: Path) -> Settings:
    """The settings that a run was made with."""
    return Settings(**json.loads((folder / "settings.json").read_text()))


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> torch.autocast:
    """bfloat16 where the device multiplies it faster than f32."""
    fast = torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(device().type, torch.bfloat16, enabled=fast)


def positive_weights(rows: list[Row]) -> torch.Tensor:
    """A mild weight of the positives of rare labels: the fourth root of negatives over positives, [labels]."""
    targets, sure = truth([row for row in rows if row.kind != "unlabelled"])
    positives = (targets & sure).sum(0).clip(1)
    return torch.tensor((len(targets) / positives) ** 0.25, dtype=torch.float32)


def trained(work: Path, run: str, base: str = "") -> BertForSequenceClassification:
    """The best state of a run, in evaluation mode, on the device. `base`: the embeddings of another folder, for other pieces."""
    folder = work / "runs" / run
    settings = run_settings(folder)
    coarse = (settings.row_step, settings.ternary, settings.inner)
    model = build(work / (base or settings.base), list(range(len(settings.layers))), 0.0, *coarse)
    learnt = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)["model"]
    others = base not in ("", settings.base)
    if others:
        learnt.pop("bert.embeddings.word_embeddings.weight")
    model.load_state_dict(learnt, strict=not others)
    return model.to(device()).eval()


def average(work: Path, name: str, runs: list[str], share: float) -> None:
    """Makes a finished run of two: the best weights of the first, with the part `share` of the second's. The word embeddings
    are the first's if the second has other pieces. Of runs of which one began where the other ended, the mean can be better than either."""
    first, second = (torch.load(work / "runs" / run / "best.pt", map_location="cpu", weights_only=True)["model"] for run in runs)
    settings, other = (run_settings(work / "runs" / run) for run in runs)
    pieces, others = ((work / one.base / "tokenizer.json").read_bytes() for one in (settings, other))
    kept = "bert.embeddings.word_embeddings.weight" if pieces != others else ""
    mixed = {key: tensor if key == kept else tensor.lerp(second[key], share) for key, tensor in first.items()}
    folder = work / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(asdict(replace(settings, name=name)), indent=2))
    torch.save({"model": mixed}, folder / "best.pt")


def adopt(work: Path, name: str, shipped: Path) -> None:
    """Makes a finished run of a shipped directory, and `work/NAME`, the folder that has its embeddings and its tokenizer."""
    base, folder = work / name, work / "runs" / name
    for made in (base, folder):
        made.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "tokenizer.json"):
        shutil.copyfile(shipped / file, base / file)
    learnt = float_tensors(load_file(shipped / "model.safetensors"))
    torch.save({"model": learnt}, folder / "best.pt")
    kept = {key.removeprefix("bert."): tensor for key, tensor in learnt.items() if key.startswith(("bert.embeddings.", "bert.encoder."))}
    save_file(kept, base / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    settings = Settings(name=name, base=name, layers=tuple(range(config["num_hidden_layers"])), inner=config["intermediate_size"])
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2))


def targets_of(
    row: Row, soft: dict[str, list[float]], share: float, smoothing: float
) -> tuple[list[float], list[float]]:
    """(targets, weights), one a label. Without a teacher: the labels, smoothed; weight 0 where unsure. With one: its
    probability has the part `share`, and where the annotation is unsure it alone speaks."""
    hard = [value * (1 - 2 * smoothing) + smoothing for value in row.targets()]
    sure = row.sure()
    taught = soft.get(row.group)
    if taught is None:
        return hard, sure
    mixed = [share * t + (1 - share) * h if s else t for h, s, t in zip(hard, sure, taught)]
    return mixed, [1.0] * len(mixed)


def loss_of(out: torch.Tensor, targets: torch.Tensor, sure: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy over the sure labels; all [batch, labels] but `weights` [labels]."""
    loss = F.binary_cross_entropy_with_logits(out, targets, pos_weight=weights, reduction="none")
    return (loss * sure).sum() / sure.sum()


class Follower:
    """The states of a teacher's layers, which a student's layers take on. The teacher reads the student's pieces: those of
    either are the base's, so that states stand for the same tokens."""

    def __init__(self, work: Path, settings: Settings) -> None:
        self.teacher = trained(work, settings.teacher, settings.base)
        self.layers = settings.follow

    def loss(self, states: list[torch.Tensor], ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean squared difference over the variance of the teacher's states, mean over the layers followed; the first
        token's alone in the last."""
        found: list[torch.Tensor] = []
        with torch.no_grad():
            logits(self.teacher, ids, mask, found)
        open_tokens = mask.bool()
        total = torch.zeros((), device=ids.device)
        for own, number in zip(states, self.layers, strict=True):
            other = found[number]
            if own.shape[1] == 1 or other.shape[1] == 1:
                own, other = own[:, 0].float(), other[:, 0].float()
            else:
                own, other = own[open_tokens].float(), other[open_tokens].float()
            # A batch may be one long sentence, of which the last layer has one token.
            spread = other.var(0).mean() if len(other) > 1 else other.var()
            total = total + (own - other).square().mean() / spread
        return total / len(states)


@torch.no_grad()
def predict(model, tokenizer: Tokenizer, texts: list[str], limit: int = 512, tokens: int = 4096, show: bool = False) -> np.ndarray:
    """Logits of each text: f32 [texts, labels]. Full precision; quantisation as the model is set."""
    model.eval()
    ids = encode(tokenizer, texts, limit)
    out = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
    for part in tqdm(list(batches([len(one) for one in ids], tokens, None)), disable=not show, mininterval=5):
        padded, mask = pad([ids[i] for i in part], model.config.pad_token_id)
        out[part] = logits(model, padded.to(model.device), mask.to(model.device)).float().cpu().numpy()
    return out


def some_batches(tokenizer: Tokenizer, rows: list[Row], model: BertForSequenceClassification) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The beginnings of 2,000 texts as (ids, mask)."""
    texts = [row.text for row in rows[:: max(1, len(rows) // 2000)]]
    first = [ids[:64] for ids in encode(tokenizer, texts, 64)]
    parts = batches([len(one) for one in first], 4096, None)
    padded = (pad([first[i] for i in part], model.config.pad_token_id) for part in parts)
    return [(ids.to(device()), mask.to(device())) for ids, mask in padded]


def first_look(model: BertForSequenceClassification, parts: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Makes a last layer that was none before fit for the head: the first token begins as a standardised mean over `parts`."""
    model.eval()
    attend_evenly(model)
    standardise(model, parts)


def quick_rows(rows: list[Row], seed: int = 7) -> list[Row]:
    """A part of dev for the curve: one translation of every sentence."""
    chance = random.Random(seed)
    return [chance.choice(members) for members in by_group(rows).values()]


def quick_scores(model, tokenizer: Tokenizer, rows: list[Row]) -> dict[str, float]:
    """Best-threshold macro-F1 (an upper bound, for comparing runs) over all `rows` and a kind of source."""
    with autocast():
        p = predict(model, tokenizer, [row.text for row in rows])
    targets, sure = truth(rows)
    kinds = np.array([row.kind for row in rows])
    found = {"all": np.ones(len(rows), bool)} | {kind: kinds == kind for kind in sorted(set(kinds))}
    out = {}
    for name, chosen in found.items():
        _, best = best_thresholds(p[chosen], targets[chosen], sure[chosen].astype(float))
        out[name] = round(float(np.mean(best[(targets & sure)[chosen].sum(0) >= 5])), 4)
    return out


def train(
    data: Path, work: Path, settings: Settings, rows: list[Row] | None = None, soft: dict[str, list[float]] | None = None
) -> Path:
    """Runs or resumes `work/runs/NAME`; leaves `best.pt` (by quick dev macro-F1, of the states that act quantised if there
    are any), `last.pt`, `log.jsonl`.

    `rows`: all labelled ones unless given; `soft`: a teacher's probabilities a group.
    """
    torch.manual_seed(settings.seed)
    folder = work / "runs" / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
    tokenizer = Tokenizer.from_file(str(work / settings.base / "tokenizer.json"))
    rows = rows or training_rows(data)
    dev = quick_rows(read_rows(find(data, "dev")))
    coarse = (settings.row_step, settings.ternary, settings.inner)
    model = build(work / settings.base, list(settings.layers), settings.dropout, *coarse).to(device())
    groups = parameter_groups(model, settings.rate, settings.layer_decay, settings.weight_decay, settings.words_rate)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    weights = positive_weights(rows).to(device())
    per_epoch = len(epoch_batches(tokenizer, rows, 0, settings)[1])
    total = per_epoch * settings.epochs
    warm = max(1, int(settings.warm_up * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))
    )
    state = {"epoch": 0, "done": 0, "step": 0, "best": 0.0}
    if (folder / "last.pt").exists():
        saved = torch.load(folder / "last.pt", map_location=device(), weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        state = saved["state"]
        print(f"train: going on at step {state['step']} of {total}")

    else:
        last = model.config.num_hidden_layers - 1
        if settings.start:
            start = trained(work, settings.start, settings.base)
            last = start.config.num_hidden_layers - 1
            keep_layers(start, list(settings.layers))
            if settings.inner not in (0, start.config.intermediate_size):
                narrow(start, settings.inner, some_batches(tokenizer, rows, start))
            model.load_state_dict(start.state_dict())
        if not settings.start or settings.layers[-1] != last:
            first_look(model, some_batches(tokenizer, rows, model))

    def save(name: str) -> None:
        everything = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "state": state,
        }
        torch.save(everything, folder / "new.pt")
        (folder / "new.pt").replace(folder / name)

    follower = Follower(work, settings) if settings.follow else None
    bar = tqdm(total=total, initial=state["step"], desc=settings.name, mininterval=10)
    window: list[float] = []
    seen, clock = 0, time.process_time()
    while state["epoch"] < settings.epochs:
        drawn, parts, ids = epoch_batches(tokenizer, rows, state["epoch"], settings)
        taught = [targets_of(row, soft or {}, settings.teacher_share, settings.smoothing) for row in drawn]
        targets, sure = (torch.tensor(part) for part in zip(*taught))
        for part in parts[state["done"] :]:
            model.train()
            set_fake_quantization(model, state["step"] >= (1 - settings.quantized_share) * total)
            padded, mask = pad([ids[i] for i in part], model.config.pad_token_id)
            padded, mask = padded.to(device()), mask.to(device())
            following = follower is not None and state["step"] < settings.follow_share * total
            states: list[torch.Tensor] = []
            with autocast():
                out = logits(model, padded, mask, states)
                pull = follower.loss(states, padded, mask) if following else 0.0
            loss = pull + loss_of(out.float(), targets[part].to(device()), sure[part].to(device()), weights)
            loss.backward()
            # A step that is no number would leave no weight that is one.
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            state["step"] += 1
            state["done"] += 1
            seen += int(mask.sum())
            window.append(loss.item())
            bar.update()
            if state["step"] % 100 == 0:
                line = {"step": state["step"], "of": total, "loss": round(float(np.mean(window)), 4)}
                line["tokens_per_cpu_second"] = round(seen / (time.process_time() - clock))
                window, seen, clock = [], 0, time.process_time()
                note(folder, line)
            if state["step"] % 400 == 0:
                save("last.pt")
            if settings.stop and state["step"] >= settings.stop:
                note(folder, {"step": state["step"], "dev": quick_scores(model, tokenizer, dev)})
                return folder
        state["epoch"] += 1
        state["done"] = 0
        figures = quick_scores(model, tokenizer, dev)
        note(folder, {"epoch": state["epoch"], "step": state["step"], "dev": figures})
        save("last.pt")
        # A state that acts as it would be shipped goes before all that do not.
        score = figures["all"] + (state["step"] > (1 - settings.quantized_share) * total)
        if score >= state["best"]:
            state["best"] = score
            save("best.pt")
    return folder


def epoch_batches(tokenizer: Tokenizer, rows: list[Row], epoch: int, settings: Settings):
    """The rows, batches (indices) and token ids of an epoch; the same for the same seed."""
    seed = settings.seed * 1000 + epoch
    chance = random.Random(seed)
    drawn = epoch_rows(rows, seed)
    ids = encode(tokenizer, [restyle(row.text, chance) for row in drawn], settings.limit)
    return drawn, list(batches([len(one) for one in ids], settings.tokens, seed)), ids


def note(folder: Path, line: dict) -> None:
    """Prints a line and appends it to the run's log."""
    text = json.dumps(line)
    tqdm.write(text)
    with open(folder / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(text + "\n")
