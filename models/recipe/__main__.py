"""`python -m recipe STAGE …`: from a data folder to a shipped model. `--help` of each stage says what it takes."""

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from .base import make_base
from .calibrate import calibrate, probabilities
from .data import find, read_rows
from .distill import distill
from .evaluate import decided, decisions_of, evaluate
from .export import export, export_float, is_small, load, write_config
from .model import find_input_scales, find_outliers, set_fake_quantization, set_input_scales
from .train import Settings, adopt, average, predict, run_settings, some_batches, train, trained
from .vocabulary import SIZE, trim


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of a run: the defaults, changed by `--set NAME=VALUE`."""
    settings = Settings()
    known = {field.name for field in fields(Settings)}
    for pair in arguments.set:
        name, _, value = pair.partition("=")
        if name not in known:
            raise SystemExit(f"--set: no setting {name!r}; there are {', '.join(sorted(known))}")
        old = getattr(settings, name)
        new = tuple(map(int, value.split(","))) if isinstance(old, tuple) else type(old)(value)
        setattr(settings, name, new)
    return settings


def finish(data: Path, work: Path, run: str, out: Path) -> None:
    """Calibrates the best state of a run on dev, and exports it. All figures are of the integers, as the engine computes them."""
    folder = work / "runs" / run
    model = trained(work, run)
    source = work / run_settings(folder).base / "tokenizer.json"
    rows = read_rows(find(data, "dev"))
    texts = [row.text for row in rows]
    tokenizer = Tokenizer.from_file(str(source))
    set_fake_quantization(model, True)
    some = some_batches(tokenizer, rows, model)
    outliers = find_outliers(model, some)
    if not is_small(model):
        set_input_scales(model, find_input_scales(model, some))
    export(model, source, {"outliers": outliers}, out)
    shipped = load(out)
    set_fake_quantization(shipped, True)
    logits = predict(shipped, tokenizer, texts, show=True)
    np.save(folder / "dev.npy", logits)
    write_config(model, calibrate(logits, rows) | {"outliers": outliers}, out)


def agreement(data: Path, work: Path, run: str, out: Path) -> None:
    """How many dev rows get the same decisions from the trained floats, the shipped weights, and 8-bit activations besides."""
    rows = read_rows(find(data, "dev"))
    texts, decisions = [row.text for row in rows], decisions_of(out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    shipped = load(out)
    chosen = {"float": trained(work, run), "shipped": shipped}
    found = {name: predict(one, tokenizer, texts, show=True) for name, one in chosen.items()}
    set_fake_quantization(shipped, True)
    found["shipped, 8-bit activations"] = predict(shipped, tokenizer, texts, show=True)
    base = decided(probabilities(found["shipped"], decisions), decisions)
    for name, logits in found.items():
        same = (decided(probabilities(logits, decisions), decisions) == base).all(1).mean()
        off = np.abs(logits - found["shipped"])
        print(f"{name} against shipped: {same:.2%} of rows alike, logits off by {off.mean():.4f}, at most {off.max():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="recipe", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)

    def stage(name: str, text: str, *wanted: str) -> argparse.ArgumentParser:
        one = stages.add_parser(name, help=text, description=text)
        helps = {
            "data": "folder with train, dev and unlabelled .jsonl[.gz|.xz]",
            "work": "scratch folder: base, checkpoints, logs",
            "out": "the shipped directory",
        }
        for option in wanted:
            one.add_argument("--" + option, type=Path, required=True, help=helps[option])
        return one

    def training(one: argparse.ArgumentParser) -> None:
        one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, see Settings in train.py")
        one.add_argument("--threads", type=int, default=0, help="CPU threads (all)")

    stage("base", "the base model as a Hugging Face directory", "work")
    one = stage("vocabulary", "the base with the pieces of our languages only", "data", "work")
    one.add_argument("--size", type=int, default=SIZE, help="pieces to keep")
    one.add_argument("--name", default="trimmed", help="the folder of WORK that it makes")
    training(stage("train", "fine-tune; resumes by itself", "data", "work"))
    one = stage("distill", "train a student on the soft labels of a teacher run", "data", "work")
    training(one)
    one.add_argument("--teacher", required=True, help="name of a finished run")
    one = stage("adopt", "a finished run of a shipped directory, to go on from it", "work")
    one.add_argument("--model", type=Path, required=True, help="the shipped directory")
    one.add_argument("--name", required=True, help="name of the run")
    one = stage("average", "a run whose weights lie between those of two finished runs", "work")
    one.add_argument("--runs", nargs=2, required=True, metavar="RUN", help="the two; word embeddings are the first's")
    one.add_argument("--share", type=float, default=0.5, help="the part of the second")
    one.add_argument("--name", required=True, help="name of the new run")
    one = stage("calibrate", "calibrate the best state of a run and export it", "data", "work", "out")
    one.add_argument("--run", default="small", help="name of the run")
    one = stage("agreement", "how far the shipped integers decide like the trained floats", "data", "work", "out")
    one.add_argument("--run", default="small", help="name of the run")
    one = stage("export", "a shipped directory as a float checkpoint for transformers")
    one.add_argument("--model", type=Path, required=True, help="the shipped directory")
    one.add_argument("--float", type=Path, required=True, help="where to")
    one = stage("evaluate", "the tables of a shipped directory over labelled files")
    one.add_argument("--model", type=Path, required=True, help="the shipped directory")
    one.add_argument("files", type=Path, nargs="+", help="labelled .jsonl[.gz|.xz]")
    training(stage("all", "everything, from the data folder to the shipped directory", "data", "work", "out"))

    arguments = parser.parse_args()
    if getattr(arguments, "threads", 0):
        torch.set_num_threads(arguments.threads)
    if arguments.stage in ("base", "all"):
        make_base(arguments.work)
    if arguments.stage in ("vocabulary", "all"):
        trim(arguments.work, arguments.data, getattr(arguments, "size", SIZE), getattr(arguments, "name", "trimmed"))
    if arguments.stage in ("train", "all"):
        train(arguments.data, arguments.work, settings_of(arguments))
    if arguments.stage == "distill":
        distill(arguments.data, arguments.work, settings_of(arguments), arguments.teacher)
    if arguments.stage == "adopt":
        adopt(arguments.work, arguments.name, arguments.model)
    if arguments.stage == "average":
        average(arguments.work, arguments.name, arguments.runs, arguments.share)
    if arguments.stage == "calibrate":
        finish(arguments.data, arguments.work, arguments.run, arguments.out)
    if arguments.stage == "agreement":
        agreement(arguments.data, arguments.work, arguments.run, arguments.out)
    if arguments.stage == "export":
        export_float(arguments.model, getattr(arguments, "float"))
    if arguments.stage == "all":
        finish(arguments.data, arguments.work, settings_of(arguments).name, arguments.out)
        print(evaluate(arguments.out, read_rows(find(arguments.data, "dev"))))
    if arguments.stage == "evaluate":
        print(evaluate(arguments.model, [row for path in arguments.files for row in read_rows(path)]))


if __name__ == "__main__":
    main()
