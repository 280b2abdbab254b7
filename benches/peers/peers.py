"""The encoder's speed beside its peers': same weights, same sentences, one table.

    python -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    .venv/bin/python benches/peers/peers.py --model FLOAT_DIR --text SENTENCES \\
        --ours int8='PROGRAM …' --ours f32='PROGRAM …'

FLOAT_DIR is a Hugging Face directory of a BERT sequence classifier in float (the float export of our model);
SENTENCES has one a line. PROGRAM prints a last JSON line {"tokens_per_s": …, "latency_ms": …}; `{threads}` in it
is replaced. Peers get their sentences tokenized; only real tokens count, and each is measured in rounds that
take turns. "sorted": by length, the better of batches of 8 and 32. "reading": as they come, batches of 16,
padded to the longest. With one thread, seconds are those of the processor (so that a busy machine changes
little), otherwise those of the clock. "cosine" compares first-token vectors (logits for ONNX Runtime) with PyTorch
in f32: the lowest of 64 sentences.
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


def clock():
    return time.process_time() if ARGS.threads == 1 else time.perf_counter()


def sample(run, batches, at):
    """Tokens a second over batches from `at` on, for a while; and where to go on."""
    tokens, start, begun = 0, clock(), time.perf_counter()
    while time.perf_counter() - begun < ARGS.seconds:
        batch = batches[at % len(batches)]
        run(batch)
        tokens += sum(map(len, batch))
        # A stride without a common factor with most lengths, so that each sample sees short and long ones.
        at += 7
    return tokens / (clock() - start), at


def latency(run, sentence):
    times = []
    for _ in range(9):
        start = clock()
        run([sentence])
        times.append((clock() - start) * 1000)
    return statistics.median(times)


def ours(command):
    out = subprocess.run(command.format(threads=ARGS.threads), shell=True, check=True, capture_output=True, text=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(ARGS.model) / "tokenizer.json"))
    lines = Path(ARGS.text).read_text(encoding="utf-8").splitlines()[: ARGS.sentences]
    limit = AutoConfig.from_pretrained(ARGS.model).max_position_embeddings
    reading = [tokenizer(line)["input_ids"][:limit] for line in lines if line.strip()]
    by_length = sorted(reading, key=len)

    def cut(ids, size):
        return [ids[i : i + size] for i in range(0, len(ids), size)]

    batches = {"sorted 8": cut(by_length, 8), "sorted 32": cut(by_length, 32), "reading": cut(reading, 16)}
    one = min(reading, key=lambda ids: abs(len(ids) - 25))
    wanted = [part for part in ARGS.only.split(",") if part]
    peers = {}
    for name, make in PEERS.items():
        if not wanted or any(part in name for part in wanted):
            try:
                peers[name] = make()
            except Exception as error:  # A peer that does not install or load is reported, not fatal.
                print(f"{name}: not measured: {error!r}"[:300])
    reference = load()
    ids, mask = map(torch.from_numpy, padded(reading[:64]))
    vectors = reference.base_model(ids, mask).last_hidden_state[:, 0].numpy()
    logits = reference(ids, mask).logits.numpy()
    agreement, rates, waits = {}, {}, {}
    for name, run in peers.items():
        expected = vectors if hasattr(run, "vector") else logits
        got = np.concatenate([run(batch) for batch in cut(reading[:64], 16)])
        norms = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
        agreement[name] = ((got * expected).sum(1) / norms).min()
    commands = dict(spec.split("=", 1) for spec in ARGS.ours)
    at = {}
    for _ in range(ARGS.rounds):
        for name, run in peers.items():
            for kind, list_of in batches.items():
                rate, at[name, kind] = sample(run, list_of, at.get((name, kind), 0))
                rates.setdefault((name, kind), []).append(rate)
            waits.setdefault(name, []).append(latency(run, one))
        for name, command in commands.items():
            line = ours(command)
            rates.setdefault((name, "reading"), []).append(line["tokens_per_s"])
            waits.setdefault(name, []).append(line["latency_ms"])
    mid = statistics.median
    print(f"{ARGS.threads} thread(s), {len(reading)} sentences, {sum(map(len, reading))} tokens, {ARGS.rounds} rounds; "
          f"tokens/s, median (best)")
    print("| | sorted | reading order | one of 25 tokens, ms | cosine |\n|---|---|---|---|---|")

    def cell(samples):
        return f"{mid(samples):.0f} ({max(samples):.0f})" if samples else "as reading order"

    for name in [*commands, *peers]:
        best = max((rates.get((name, kind), []) for kind in ("sorted 8", "sorted 32")), key=lambda s: mid(s) if s else 0)
        cosine = f"{agreement[name]:.4f}" if name in agreement else ""
        print(f"| {name} | {cell(best)} | {cell(rates[name, 'reading'])} | {mid(waits[name]):.2f} | {cosine} |")


main()
