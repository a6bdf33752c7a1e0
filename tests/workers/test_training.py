"""The loop itself, in this process: it learns, repeats itself to the byte, resumes, halves and gives up."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.workers.conftest import finetune_spec, synthetic_rows
from workers.claim import parse_claim
from workers.context import Channel, Context, Control
from workers.failures import FailureCode, JobFailedError, JobStoppedError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from workers.data.tokens import TokenRows, tokenize  # noqa: E402 (torch may be missing)
from workers.methods.frozen import FrozenLearner  # noqa: E402
from workers.methods.learner import TextLearner, predict  # noqa: E402
from workers.methods.lora import linear_targets, wrap_lora  # noqa: E402
from workers.spec import MethodSpec, parse_finetune  # noqa: E402
from workers.training import Outcome, Plan, train  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning:(transformers|peft).*"),
]
CPU = torch.device("cpu")
PLAN = Plan(
    epochs=4, max_steps=None, micro_batch=4, effective_batch=8, lr=3e-3, schedule="linear", warmup_steps=2,
    weight_decay=0.01, seed=0, checkpoint_steps=5, evaluate_every=None, select="accuracy",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_deterministic_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.use_deterministic_algorithms(mode=False)
    torch.set_num_threads(threads)


@pytest.fixture
def new_model(tiny_bert: Path) -> Callable[[], Any]:
    """Makes the same classifier each time: dropout on, new head from seed 0."""

    def build() -> Any:
        torch.manual_seed(0)
        return transformers.AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)

    return build


@pytest.fixture
def rows(tiny_bert: Path) -> TokenRows:
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    return tokenize(tokenizer, [row["text"] for row in synthetic_rows(40)], 32)


LABELS = torch.tensor([0 if row["label"] == "bad" else 1 for row in synthetic_rows(40)])


@dataclasses.dataclass
class Bench:
    """A context whose records land in a file."""

    context: Context
    log: Path

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [r for r in map(json.loads, self.log.read_text().splitlines()) if r["type"] == kind]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    """Makes contexts, each with a scratch folder of that name; the same name resumes."""
    descriptors = []

    def make(name: str) -> Bench:
        scratch = tmp_path / name
        scratch.mkdir(exist_ok=True)
        log = scratch / "records"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        descriptors.append(descriptor)
        raw = {
            "job": {"id": "job_1", "kind": "finetune", "task": "text-classification"}, "spec": finetune_spec(),
            "attempt": 1, "fencing_token": 1, "job_token": "t", "hub_url": "http://hub", "wall_seconds_left": 1,
            "spec_digest": "digest",
        }  # fmt: skip
        return Bench(Context(parse_claim(raw), scratch, Channel(descriptor), Control(), time.monotonic()), log)

    yield make
    for descriptor in descriptors:
        os.close(descriptor)


def accuracy_of(learner: Any) -> Callable[[], dict[str, float]]:
    return lambda: {"accuracy": float((learner.evaluate(8).argmax(-1) == LABELS).float().mean())}


def weights_of(model: Any) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def full(model: Any, rows: TokenRows) -> TextLearner:
    return TextLearner(model, rows, rows, CPU, "fp32")


def run(learner: Any, bench: Bench, plan: Plan = PLAN) -> Outcome:
    return train(learner, LABELS, plan, accuracy_of(learner), bench.context)


def test_a_model_overfits_one_batch(new_model: Any, rows: TokenRows, bench: Any) -> None:
    learner = full(new_model(), rows)
    plan = dataclasses.replace(PLAN, epochs=30, effective_batch=40, lr=5e-3, schedule="constant", checkpoint_steps=999)
    outcome = run(learner, bench("a"), plan)
    losses = [entry["loss"] for entry in outcome.history if entry["type"] == "step"]
    assert losses[-1] < 0.1 < losses[0]
    assert accuracy_of(learner)()["accuracy"] == 1.0


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_the_gradient_does_not_depend_on_how_a_batch_is_cut(
    new_model: Any, rows: TokenRows, bench: Any, micro_batch: int
) -> None:
    model, cut = new_model().eval(), new_model().eval()  # without dropout; the loop turns it on, so drop it for good
    for module in [*model.modules(), *cut.modules()]:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plan = dataclasses.replace(PLAN, max_steps=1, micro_batch=8)
    run(full(model, rows), bench("whole"), plan)
    run(full(cut, rows), bench("cut"), dataclasses.replace(plan, micro_batch=micro_batch))
    for whole, parts in zip(model.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(whole.grad, parts.grad, rtol=1e-4, atol=1e-6)


def interrupted(learner: Any, bench: Bench, after: int) -> None:
    """Trains, but is told to save and leave while evaluating step `after`."""

    def scores() -> dict[str, float]:
        bench.context.control.save_and_leave()
        return accuracy_of(learner)()

    with pytest.raises(JobStoppedError):
        train(learner, LABELS, dataclasses.replace(PLAN, evaluate_every=after), scores, bench.context)


@pytest.mark.parametrize("after", [3, 10])
def test_a_resumed_run_ends_with_the_same_bytes(new_model: Any, rows: TokenRows, bench: Any, after: int) -> None:
    plan = dataclasses.replace(PLAN, evaluate_every=after)
    unbroken = full(new_model(), rows)
    whole = run(unbroken, bench("unbroken"), plan)
    interrupted(full(new_model(), rows), bench("broken"), after)
    torch.manual_seed(12345)  # whatever the new process drew before
    resumed = full(new_model(), rows)
    outcome = run(resumed, bench("broken"), plan)
    assert outcome.resumed_from == after
    assert weights_of(resumed.model) == weights_of(unbroken.model)
    assert outcome.history == whole.history
    assert outcome.best_step == whole.best_step


def test_a_truncated_newest_checkpoint_is_reported_and_the_one_before_is_used(
    new_model: Any, rows: TokenRows, bench: Any
) -> None:
    plan = dataclasses.replace(PLAN, evaluate_every=12)
    unbroken = full(new_model(), rows)
    run(unbroken, bench("unbroken"), plan)
    interrupted(full(new_model(), rows), bench("broken"), 12)  # checkpoints of 10 and 12
    newest = bench("broken").context.checkpoints / "step-12" / "optimizer.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    resumed, again = full(new_model(), rows), bench("broken")
    assert run(resumed, again, plan).resumed_from == 10
    assert weights_of(resumed.model) == weights_of(unbroken.model)
    assert again.records("warning")[0]["code"] == "checkpoint_corrupt"


def test_without_a_whole_checkpoint_training_starts_over(new_model: Any, rows: TokenRows, bench: Any) -> None:
    interrupted(full(new_model(), rows), bench("broken"), 3)
    (bench("broken").context.checkpoints / "step-3" / "manifest.json").write_text("{}")
    assert run(full(new_model(), rows), bench("broken")).resumed_from == 0


def test_checkpoints_hold_no_pickles(new_model: Any, rows: TokenRows, bench: Any) -> None:
    interrupted(full(new_model(), rows), bench("a"), 6)
    files = {path.name for path in (bench("a").context.checkpoints / "step-6").iterdir()}
    assert files == {
        "manifest.json", "progress.json", "weights.safetensors", "optimizer.safetensors", "random.safetensors",
        "best.safetensors",
    }  # fmt: skip


def test_the_best_weights_win_over_the_last(new_model: Any, rows: TokenRows, bench: Any) -> None:
    learner, scores = full(new_model(), rows), iter([0.5, 0.9, 0.6, 0.7])
    seen: list[dict[str, bytes]] = []

    def falling() -> dict[str, float]:
        seen.append(weights_of(learner.model))
        return {"accuracy": next(scores)}

    outcome = train(learner, LABELS, PLAN, falling, bench("a").context)
    assert outcome.best_step == 10
    assert weights_of(learner.model) == seen[1]


def test_stop_and_keep_ends_early_with_what_there_is(new_model: Any, rows: TokenRows, bench: Any) -> None:
    learner, made = full(new_model(), rows), bench("a")
    made.context.control.obey("stop_keep")
    outcome = run(learner, made)
    assert (outcome.steps, outcome.stopped) == (0, True)
    assert made.records("stopping")


def test_cancel_outranks_keep(new_model: Any, rows: TokenRows, bench: Any) -> None:
    made = bench("a")

    def cancel() -> dict[str, float]:
        made.context.control.obey("stop_keep")
        made.context.control.obey("stop_cancel")
        return {"accuracy": 0.0}

    with pytest.raises(JobStoppedError):
        train(full(new_model(), rows), LABELS, PLAN, cancel, made.context)


class Exhausted(TextLearner):
    """Runs out of memory whenever a part is larger than `limit` rows."""

    limit = 2

    def train_logits(self, indices: Sequence[int]) -> Any:
        if len(indices) > self.limit:
            raise torch.OutOfMemoryError
        return super().train_logits(indices)


def test_out_of_memory_halves_the_micro_batch_once(new_model: Any, rows: TokenRows, bench: Any) -> None:
    made = bench("a")
    outcome = run(Exhausted(new_model(), rows, rows, CPU, "fp32"), made)
    assert outcome.micro_batch == 2
    assert [record["code"] for record in made.records("warning")] == ["oom_gpu"]
    assert made.records("resolved")[0]["values"] == {"train.micro_batch": 2}


def test_out_of_memory_twice_is_a_failure(new_model: Any, rows: TokenRows, bench: Any) -> None:
    learner = Exhausted(new_model(), rows, rows, CPU, "fp32")
    learner.limit = 1
    with pytest.raises(JobFailedError) as caught:
        run(learner, bench("a"))
    assert caught.value.code is FailureCode.OOM_GPU


def test_a_diverging_loss_is_a_failure_that_names_the_learning_rate(
    new_model: Any, rows: TokenRows, bench: Any
) -> None:
    with pytest.raises(JobFailedError, match="learning rate") as caught:
        run(full(new_model(), rows), bench("a"), dataclasses.replace(PLAN, lr=1e30, warmup_steps=0))
    assert caught.value.code is FailureCode.NAN_LOSS


def test_lora_trains_adapters_and_head_and_merges_to_the_same_predictions(
    new_model: Any, rows: TokenRows, bench: Any
) -> None:
    model = new_model()
    before = copy.deepcopy(model.state_dict())
    targets = linear_targets(model)
    assert targets == ("dense", "key", "query", "value")
    learner = full(wrap_lora(model, MethodSpec("lora", r=4, alpha=8), targets), rows)
    run(learner, bench("a"))
    wrapped = learner.evaluate(8)
    merged = learner.publishable()
    torch.testing.assert_close(predict(merged, rows, 8, CPU), wrapped, rtol=1e-4, atol=1e-5)
    assert set(merged.state_dict()) == set(before)
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(merged.state_dict()[embeddings], before[embeddings])


def test_lora_names_a_target_that_does_not_exist(new_model: Any) -> None:
    with pytest.raises(JobFailedError, match=r"`method\.target`") as caught:
        wrap_lora(new_model(), MethodSpec("lora"), ("nothing_like_it",))
    assert caught.value.code is FailureCode.BAD_SPEC


def test_a_frozen_encoder_keeps_its_weights_and_its_features_are_the_mean(
    new_model: Any, rows: TokenRows, bench: Any
) -> None:
    model = new_model()
    encoder = copy.deepcopy(model.bert).eval()
    learner = FrozenLearner(model, rows, rows, CPU, "fp32")
    run(learner, bench("a"))
    published = learner.publishable()
    for name, tensor in encoder.state_dict().items():
        if not name.startswith("pooler"):
            assert torch.equal(published.bert.state_dict()[name], tensor), name
    batch = rows.batch(range(8), CPU)
    with torch.no_grad():
        states, mask = encoder(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        expected = torch.tanh(torch.nn.functional.layer_norm(mean, mean.shape[-1:]) / 8)
        pooled = published.bert.eval()(**batch).pooler_output
    torch.testing.assert_close(pooled, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(predict(published, rows, 8, CPU), learner.evaluate(8), rtol=1e-4, atol=1e-4)


def test_frozen_refuses_an_architecture_it_cannot_pool(rows: TokenRows) -> None:
    config = transformers.DistilBertConfig(vocab_size=200, dim=32, n_layers=1, n_heads=2, hidden_dim=32)
    model = transformers.DistilBertForSequenceClassification(config)
    with pytest.raises(JobFailedError, match="use `full` or `lora`"):
        FrozenLearner(model, rows, rows, CPU, "fp32")


@pytest.mark.parametrize(("schedule", "middle"), [("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)])
def test_schedules_warm_up_and_go_down(schedule: str, middle: float) -> None:
    plan = dataclasses.replace(PLAN, schedule=schedule, warmup_steps=10, lr=1.0)
    rates = [plan.lr_at(step, 110) for step in range(110)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10] == 1.0
    assert rates[60] == pytest.approx(middle)


def test_a_spec_this_worker_cannot_read_is_a_bad_spec() -> None:
    spec = finetune_spec()
    del spec["train"]["lr"]
    with pytest.raises(JobFailedError) as caught:
        parse_finetune(spec, {})
    assert caught.value.code is FailureCode.BAD_SPEC


def test_what_an_earlier_attempt_resolved_is_used_again() -> None:
    spec = parse_finetune(finetune_spec(train={"lr": "auto"}), {"train.lr": 0.125, "train.micro_batch": 3})
    assert (spec.train.lr, spec.train.micro_batch) == (0.125, 3)
