"""The encoder's speed beside its peers': same weights, same sentences, one table.

    python -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    (cd benches/peers && cargo build --release)
    .venv/bin/python benches/peers/peers.py --model FLOAT_DIR --text SENTENCES \\
        --rust benches/peers/target/release/peers

FLOAT_DIR is a Hugging Face directory of a BERT sequence classifier in float (the float export of our model);
SENTENCES has one a line. --rust adds what runs in Rust: rten, candle and demarche itself, each sample in a
process of its own. `peers limits` and `peers products` print what a core can multiply at most and what
rten-gemm reaches. --ours NAME='PROGRAM …' adds a row of any program that prints a last JSON line
{"tokens_per_s": …, "latency_ms": …} by a clock of its own; `{threads}` in it is replaced.

Sentences are different from each other. Peers get them tokenized, demarche as text and all at once; only real
tokens count, and each is measured in rounds that take turns. "sorted": by length, the better of batches of 8
and 32. "reading": as they come, batches of 16, padded to the longest. With one thread, seconds are those of the
processor (so that a busy machine changes little), otherwise those of the clock. "cosine" compares first-token
vectors (CTranslate2, candle) or logits with PyTorch in f32: the lowest of 64 sentences.

Peers take the widest instructions. As on a processor without AVX-512, in a run of its own:

    CT2_FORCE_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 \\
        .venv/bin/python benches/peers/peers.py … --only "CTranslate2,PyTorch f32"

This binds CTranslate2 and PyTorch's f32, but not PyTorch's int8, whose library chooses by itself. The others have no
such switch here.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--rust", metavar="PROGRAM", help="the built program of this directory")
    parser.add_argument("--ours", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each sample")
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--only", default="", help="comma-separated parts of peers' names")
    parser.add_argument("--work", help="where converted models are kept")
    return parser.parse_args()


ARGS = arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)
os.environ["RAYON_NUM_THREADS"] = str(ARGS.threads)
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402  (the number of threads must be known before)
import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast  # noqa: E402

torch.set_num_threads(ARGS.threads)
torch.set_grad_enabled(False)
WORK = Path(ARGS.work or tempfile.mkdtemp(prefix="peers-"))
WORK.mkdir(parents=True, exist_ok=True)


def padded(batch):
    width = max(map(len, batch))
    ids = np.zeros((len(batch), width), np.int64)
    mask = np.zeros((len(batch), width), np.int64)
    for row, sentence in enumerate(batch):
        ids[row, : len(sentence)] = sentence
        mask[row, : len(sentence)] = 1
    return ids, mask


def load():
    return AutoModelForSequenceClassification.from_pretrained(ARGS.model).eval()


def onnx_file():
    path = WORK / "model.onnx"
    if not path.exists():
        model = load()
        ids = torch.ones(2, 8, dtype=torch.long)
        axes = {0: "batch", 1: "tokens"}
        torch.onnx.export(
            model, (ids, ids), path, input_names=["input_ids", "attention_mask"], output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=17, dynamo=False,
        )
    return path


def onnx_int8_file():
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = WORK / "model-int8.onnx"
    if not path.exists():
        quantize_dynamic(onnx_file(), path, weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"MatMulConstBOnly": True})
    return path


def onnxruntime(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = ARGS.threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(batch):
        ids, mask = padded(batch)
        return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    return run


def ctranslate(compute_type):
    import ctranslate2

    path = WORK / "ctranslate2"
    if not path.exists():
        # The converter uses the new name of an argument that this transformers calls torch_dtype.
        import transformers

        original = transformers.BertModel.from_pretrained
        transformers.BertModel.from_pretrained = lambda *given, dtype=None, **named: original(*given, **named)
        ctranslate2.converters.TransformersConverter(str(encoder_dir())).convert(str(path))
    encoder = ctranslate2.Encoder(str(path), device="cpu", compute_type=compute_type, intra_threads=ARGS.threads)

    def run(batch):
        return np.array(encoder.forward_batch(batch).last_hidden_state)[:, 0]

    run.vector = True
    return run


def encoder_dir():
    """The encoder without its head, as CTranslate2 wants it."""
    path = WORK / "encoder"
    if not path.exists():
        load().base_model.save_pretrained(path)
        (path / "tokenizer.json").write_bytes((Path(ARGS.model) / "tokenizer.json").read_bytes())
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path / "tokenizer.json"), unk_token="<unk>", pad_token="<pad>"
        )
        tokenizer.save_pretrained(path)
    return path


def openvino():
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": ARGS.threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(onnx_file()), "CPU", settings)
    request = model.create_infer_request()

    def run(batch):
        ids, mask = padded(batch)
        return request.infer({"input_ids": ids, "attention_mask": mask})[0].copy()

    return run


def pytorch(int8):
    model = load()
    if int8:
        # Its x86 engine, which uses VNNI where the processor has it.
        torch.backends.quantized.engine = "x86"
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def run(batch):
        ids, mask = padded(batch)
        return model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()

    return run


PEERS = {
    "PyTorch f32": lambda: pytorch(False),
    "PyTorch int8": lambda: pytorch(True),
    "ONNX Runtime f32": lambda: onnxruntime(onnx_file()),
    "ONNX Runtime int8": lambda: onnxruntime(onnx_int8_file()),
    "CTranslate2 f32": lambda: ctranslate("float32"),
    "CTranslate2 int8": lambda: ctranslate("int8"),
    "OpenVINO f32": openvino,
}


RUST = {
    "demarche int8": lambda: ["demarche", ARGS.model, "--precision", "int8"],
    "demarche f32": lambda: ["demarche", ARGS.model, "--precision", "f32"],
    "rten int8": lambda: ["rten", onnx_int8_file()],
    "rten f32": lambda: ["rten", onnx_file()],
    "candle f32": lambda: ["candle", ARGS.model],
}
KINDS = {"sorted 8": ("sorted", 8), "sorted 32": ("sorted", 32), "reading": ("reading", 16)}


def cut(ids, size):
    return [ids[i : i + size] for i in range(0, len(ids), size)]


def clock():
    return time.process_time() if ARGS.threads == 1 else time.perf_counter()


class Peer:
    """A function from a batch of ids to rows."""

    kinds = KINDS

    def __init__(self, run, reading):
        self.run, self.vector, self.at = run, hasattr(run, "vector"), {}
        by_length = sorted(reading, key=len)
        self.batches = {kind: cut(by_length if order == "sorted" else reading, size)
                        for kind, (order, size) in KINDS.items()}
        self.one = min(reading, key=lambda ids: abs(len(ids) - 25))
        self.rows = np.concatenate([run(batch) for batch in cut(reading[:64], 16)])

    def sample(self, kind, number):
        """Tokens a second over batches from where the last sample ended on, for a while; and a latency."""
        batches, at = self.batches[kind], self.at.get(kind, 0)
        tokens, start, begun = 0, clock(), time.perf_counter()
        while time.perf_counter() - begun < ARGS.seconds:
            batch = batches[at % len(batches)]
            self.run(batch)
            tokens += sum(map(len, batch))
            # A stride without a common factor with most lengths, so that each sample sees short and long ones.
            at += 7
        self.at[kind] = at
        rate = tokens / (clock() - start)
        return rate, self.latency()

    def latency(self):
        times = []
        for _ in range(9):
            start = clock()
            self.run([self.one])
            times.append((clock() - start) * 1000)
        return statistics.median(times)


class Program:
    """A sub-command of the Rust program."""

    def __init__(self, command, sentences):
        self.command, self.vector = [ARGS.rust, *map(str, command), str(sentences)], command[0] == "candle"
        # Ours needs neither order nor batches of its caller.
        self.kinds = {"reading": ("reading", ARGS.sentences)} if command[0] == "demarche" else KINDS
        rows = WORK / "rows.json"
        last_line([*self.command, "--reading", "16", "--seconds", "0", "--rows", str(rows)])
        self.rows = np.array(json.loads(rows.read_text()), np.float32)

    def sample(self, kind, number):
        order, size = self.kinds[kind]
        options = [f"--{order}", size, "--from", number, "--seconds", ARGS.seconds]
        line = last_line([*self.command, *map(str, options)])
        return line["tokens_per_s"], line["latency_ms"]


class Other:
    """A program of which only its last line is known."""

    kinds = {"reading": None}

    def __init__(self, command):
        self.command, self.rows = ["sh", "-c", command.format(threads=ARGS.threads)], None

    def sample(self, kind, number):
        line = last_line(self.command)
        return line["tokens_per_s"], line["latency_ms"]


def last_line(command):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(ARGS.model) / "tokenizer.json"))
    lines = [line for line in Path(ARGS.text).read_text(encoding="utf-8").splitlines() if line.strip()]
    # Ours computes equal sentences once.
    lines = list(dict.fromkeys(lines))[: ARGS.sentences]
    limit = AutoConfig.from_pretrained(ARGS.model).max_position_embeddings
    reading = [tokenizer(line)["input_ids"][:limit] for line in lines]
    sentences = WORK / "sentences.json"
    sentences.write_text(json.dumps([{"text": text, "ids": ids} for text, ids in zip(lines, reading)]))

    makers = {spec.split("=", 1)[0]: lambda spec=spec: Other(spec.split("=", 1)[1]) for spec in ARGS.ours}
    wanted = [part for part in ARGS.only.split(",") if part]
    known = {name: lambda make=make: Peer(make(), reading) for name, make in PEERS.items()}
    if ARGS.rust:
        known = {name: lambda make=make: Program(make(), sentences) for name, make in RUST.items()} | known
    makers |= {name: make for name, make in known.items() if not wanted or any(part in name for part in wanted)}
    peers = {}
    for name, make in makers.items():
        try:
            peers[name] = make()
        except Exception as error:  # A peer that does not install or load is reported, not fatal.
            print(f"{name}: not measured: {error!r}"[:300])

    reference = load()
    ids, mask = map(torch.from_numpy, padded(reading[:64]))
    vectors = reference.base_model(ids, mask).last_hidden_state[:, 0].numpy()
    logits = reference(ids, mask).logits.numpy()
    rates, waits = {}, {}
    for number in range(ARGS.rounds):
        for name, peer in peers.items():
            for kind in peer.kinds:
                rate, wait = peer.sample(kind, number)
                rates.setdefault((name, kind), []).append(rate)
                waits.setdefault(name, []).append(wait)
    mid = statistics.median
    print(f"{ARGS.threads} thread(s), {len(reading)} sentences, {sum(map(len, reading))} tokens, {ARGS.rounds} rounds; "
          f"tokens/s, median (best)")
    print("| | sorted | reading order | one of 25 tokens, ms | cosine |\n|---|---|---|---|---|")

    def cell(samples):
        return f"{mid(samples):.0f} ({max(samples):.0f})" if samples else "as reading order"

    for name, peer in peers.items():
        by_length = (rates.get((name, kind), []) for kind in ("sorted 8", "sorted 32"))
        best = max(by_length, key=lambda samples: mid(samples) if samples else 0)
        cosine = ""
        if peer.rows is not None:
            got, expected = peer.rows, vectors if peer.vector else logits
            norms = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
            cosine = f"{((got * expected).sum(1) / norms).min():.4f}"
        print(f"| {name} | {cell(best)} | {cell(rates[name, 'reading'])} | {mid(waits[name]):.2f} | {cosine} |")


main()
