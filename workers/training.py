"""The training loop: one readable function over plain torch.

Why not `transformers.Trainer`: a resumed run must give the same bytes and a torn checkpoint must never be resumed from
(the Trainer does so silently when the optimizer's file is missing); stopping, mirroring and events happen at step
borders; and importing it alone takes longer than some jobs. What it computes is the same: AdamW (decay on matrices
only, betas 0.9/0.999), gradient norm clipped at 1, linear warm-up, mean cross-entropy over the effective batch.

What makes a run repeatable on one CPU thread: the order of rows is a function of (seed, epoch); parts of a batch are
sorted by length with ties broken by row; torch's random state (dropout) is in the checkpoint; evaluation draws none.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from workers.checkpoints import Checkpoint, whole_checkpoints, write_checkpoint
from workers.context import Context
from workers.failures import FailureCode, JobFailedError, JobStoppedError
from workers.methods.learner import Learner

CHECKPOINT_SECONDS = 300.0  # for `checkpoint_steps: auto`: at most this much work is lost
_CLIP = 1.0
_EVENT_SECONDS = 0.5
Scores = dict[str, float]
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """A run's numbers, all settled."""

    epochs: float
    max_steps: int | None
    micro_batch: int
    effective_batch: int
    lr: float
    schedule: str
    warmup_steps: int
    weight_decay: float
    seed: int
    checkpoint_steps: int | None
    evaluate_every: int | None
    select: str

    def total_steps(self, rows: int) -> int:
        """Returns the optimizer steps of the whole run."""
        steps = max(1, math.ceil(self.epochs * math.ceil(rows / self.effective_batch)))
        return min(steps, self.max_steps) if self.max_steps else steps

    def lr_at(self, step: int, total: int) -> float:
        """Returns the learning rate of a step (from 0): linear warm-up, then the schedule down to 0."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        factors = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}
        return self.lr * factors[self.schedule]


@dataclass
class Progress:
    """Where a run stands. Everything here but `best_weights` is plain JSON in the checkpoint."""

    step: int = 0
    micro_batch: int = 0
    halved: bool = False
    best_step: int = -1
    best_score: float = -math.inf
    history: list[dict[str, Any]] = field(default_factory=list)
    best_weights: Weights | None = None


@dataclass(frozen=True)
class Outcome:
    """A finished run: the learner holds the best weights."""

    steps: int
    total_steps: int
    best_step: int
    micro_batch: int
    history: list[dict[str, Any]]
    stopped: bool
    resumed_from: int


def train(
    learner: Learner, labels: torch.Tensor, plan: Plan, evaluate: Callable[[], Scores], context: Context
) -> Outcome:
    """Trains from scratch or from the newest whole checkpoint, and leaves the best weights in the learner.

    Args:
        learner: the model under its method.
        labels: class numbers of the training rows, on the learner's device.
        plan: the settled numbers.
        evaluate: scores the learner as it is; must hold `plan.select`.
        context: where events and checkpoints go and stop requests come from.

    Raises:
        JobFailedError: `nan_loss`, `oom_gpu` after one halving of the micro batch.
        JobStoppedError: asked to stop without keeping the output.
    """
    run = _Run(learner, labels, plan, evaluate, context)
    resumed_from = run.resume()
    while run.progress.step < run.total and context.control.stop != "keep":
        run.one_step()
        if run.due_for_evaluation():
            run.evaluate()
        if context.control.stop == "cancel":
            raise JobStoppedError
        if context.control.stop == "save":
            run.save()
            raise JobStoppedError
        if run.due_for_checkpoint():
            run.save()
    if context.control.stop == "keep":
        context.stopping()
    return run.finish(resumed_from)


class _Run:
    """The state of one call of `train`."""

    def __init__(
        self, learner: Learner, labels: torch.Tensor, plan: Plan, evaluate: Callable[[], Scores], context: Context
    ) -> None:
        self.learner, self.labels, self.plan, self.context = learner, labels, plan, context
        self._evaluate = evaluate
        self.total = plan.total_steps(learner.train_rows)
        self.per_epoch = math.ceil(learner.train_rows / plan.effective_batch)
        self.progress = Progress(micro_batch=plan.micro_batch)
        self.trainable = {name: p for name, p in learner.module.named_parameters() if p.requires_grad}
        self.optimizer = _adamw(self.trainable, plan)
        self._order: tuple[int, list[int]] = (-1, [])
        self._saved_at = time.monotonic()
        self._event_at = 0.0
        self._rows_since, self._since = 0, time.monotonic()

    # --- steps -----------------------------------------------------------------------------------------------

    def one_step(self) -> None:
        """One optimizer step over one effective batch."""
        step, lr = self.progress.step, self.plan.lr_at(self.progress.step, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        rows = self._rows_of(step)
        self.learner.module.train()
        try:
            loss = self._gradients(rows)
        except torch.OutOfMemoryError:
            loss = self._gradients_with_half(rows)
        if not math.isfinite(loss):
            raise JobFailedError(
                FailureCode.NAN_LOSS, f"the loss became {loss} at step {step + 1} with learning rate {lr:g}"
            )
        torch.nn.utils.clip_grad_norm_(self.trainable.values(), _CLIP)
        self.optimizer.step()
        self.progress.step += 1
        self._rows_since += len(rows)
        self._log_step(loss, lr)

    def _gradients(self, rows: list[int]) -> float:
        """Accumulates the gradient of the mean loss over `rows`, part by part; returns that loss."""
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in self._parts(rows):
            logits = self.learner.train_logits(part)
            targets = self.labels[torch.as_tensor(part, device=self.labels.device)]
            loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum") / len(rows)
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            total += float(loss.detach())
        return total

    def _gradients_with_half(self, rows: list[int]) -> float:
        """Repeats the step with half the micro batch, once per run: the sum over parts stays the same batch."""
        if self.progress.halved or self.progress.micro_batch == 1:
            raise self._out_of_memory()
        self.progress.halved = True
        self.progress.micro_batch = max(1, self.progress.micro_batch // 2)
        torch.cuda.empty_cache()
        self.context.warn("oom_gpu", f"out of GPU memory: continuing with micro batches of {self.progress.micro_batch}")
        self.context.resolved({"train.micro_batch": self.progress.micro_batch})
        try:
            return self._gradients(rows)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory() from error

    def _out_of_memory(self) -> JobFailedError:
        size = self.progress.micro_batch
        return JobFailedError(FailureCode.OOM_GPU, f"the GPU ran out of memory with micro batches of {size}")

    def _rows_of(self, step: int) -> list[int]:
        """Returns the row numbers of a step's effective batch: a slice of the epoch's own permutation."""
        epoch, position = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + epoch)
            self._order = (epoch, torch.randperm(self.learner.train_rows, generator=generator).tolist())
        start = position * self.plan.effective_batch
        return self._order[1][start : start + self.plan.effective_batch]

    def _parts(self, rows: list[int]) -> Iterator[list[int]]:
        """Cuts a batch into micro batches of rows of like cost; which rows share a part does not change the sum."""
        costs = self.learner.cost(rows)
        ordered = [row for _, row in sorted(zip(costs, rows, strict=True))]
        for start in range(0, len(ordered), self.progress.micro_batch):
            yield ordered[start : start + self.progress.micro_batch]

    def _log_step(self, loss: float, lr: float) -> None:
        step, epoch = self.progress.step, self.progress.step / self.per_epoch
        entry = {"step": step, "epoch": round(epoch, 4), "loss": round(loss, 6), "lr": lr}
        self.progress.history.append({"type": "step", **entry})
        now = time.monotonic()
        if now - self._event_at >= _EVENT_SECONDS or step in {1, self.total}:
            speed = self._rows_since / max(1e-9, now - self._since)
            self.context.channel.emit("step", total_steps=self.total, samples_per_second=round(speed, 2), **entry)
            self._event_at, self._rows_since, self._since = now, 0, now

    # --- evaluation ------------------------------------------------------------------------------------------

    def due_for_evaluation(self) -> bool:
        """Whether this step ends an epoch, an interval or the run."""
        step, every = self.progress.step, self.plan.evaluate_every
        return step == self.total or step % (every or self.per_epoch) == 0

    def evaluate(self) -> None:
        """Scores the model; keeps a copy of the weights when they are the best so far."""
        progress, scores = self.progress, self._evaluate()
        epoch = round(progress.step / self.per_epoch, 4)
        progress.history.append({"type": "eval", "step": progress.step, "epoch": epoch, "metrics": scores})
        self.context.channel.emit("eval", step=progress.step, epoch=epoch, metrics=scores, phase="training")
        if scores[self.plan.select] > progress.best_score:
            progress.best_score, progress.best_step = scores[self.plan.select], progress.step
            # The last step's weights need no copy: they stay where they are.
            progress.best_weights = None if progress.step == self.total else self._copy_weights()
        self._since = time.monotonic()

    def finish(self, resumed_from: int) -> Outcome:
        """Scores what was never scored (a run stopped early), then puts the best weights in place."""
        progress = self.progress
        if progress.step > 0 and not any(e["type"] == "eval" and e["step"] == progress.step for e in progress.history):
            self.evaluate()
        if progress.best_weights is not None and progress.best_step != progress.step:
            with torch.no_grad():
                for name, parameter in self.trainable.items():
                    parameter.copy_(progress.best_weights[name])
        return Outcome(
            steps=progress.step,
            total_steps=self.total,
            best_step=progress.best_step,
            micro_batch=progress.micro_batch,
            history=progress.history,
            stopped=progress.step < self.total,
            resumed_from=resumed_from,
        )

    def _copy_weights(self) -> Weights:
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self.trainable.items()}

    # --- checkpoints -----------------------------------------------------------------------------------------

    def due_for_checkpoint(self) -> bool:
        """Whether to save now; never after the last step, when what follows is shorter than saving and resuming."""
        step = self.progress.step
        if step >= self.total:
            return False
        if self.plan.checkpoint_steps:
            return step % self.plan.checkpoint_steps == 0
        return time.monotonic() - self._saved_at > CHECKPOINT_SECONDS

    def save(self) -> None:
        """Writes a whole checkpoint and offers it for mirroring."""
        checkpoint = write_checkpoint(
            self.context.checkpoints, self.progress.step, self.context.claim.spec_digest, self._write
        )
        self.context.checkpoint(checkpoint)
        self._saved_at = self._since = time.monotonic()

    def _write(self, folder: Path) -> None:
        weights = {name: p.detach().to("cpu").contiguous() for name, p in self.trainable.items()}
        save_file(weights, folder / "weights.safetensors")
        save_file(self._optimizer_tensors(), folder / "optimizer.safetensors")
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        save_file(random, folder / "random.safetensors")
        if self.progress.best_weights is not None:
            save_file(self.progress.best_weights, folder / "best.safetensors")
        state = {key: value for key, value in vars(self.progress).items() if key != "best_weights"}
        state["best_score"] = str(state["best_score"])  # infinite before the first evaluation
        (folder / "progress.json").write_text(json.dumps({**state, "plan": asdict(self.plan)}), encoding="utf-8")

    def _optimizer_tensors(self) -> Weights:
        tensors = {}
        for name, parameter in self.trainable.items():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{name}/{key}"] = value.detach().to("cpu").contiguous()
        return tensors

    def resume(self) -> int:
        """Continues from the newest whole checkpoint; returns its step, 0 where there is none."""
        rejected: list[str] = []
        found = whole_checkpoints(self.context.checkpoints, self.context.claim.spec_digest, rejected.append)
        for reason in rejected:
            self.context.warn("checkpoint_corrupt", reason)
        if not found:
            return 0
        self._load(found[0])
        self.context.channel.emit("log", line=f"resumed from the checkpoint of step {found[0].step}", stream="stdout")
        return found[0].step

    def _load(self, checkpoint: Checkpoint) -> None:
        folder = checkpoint.path
        state = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        state.pop("plan")
        best = folder / "best.safetensors"
        self.progress = Progress(
            **{**state, "best_score": float(state["best_score"])},
            best_weights=load_file(best) if best.exists() else None,
        )
        weights, moments = load_file(folder / "weights.safetensors"), load_file(folder / "optimizer.safetensors")
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(weights[name])
        for name, parameter in self.trainable.items():
            keys = [key for key in moments if key.rsplit("/", 1)[0] == name]
            # AdamW keeps its step count on the CPU unless fused on a GPU; the moments live beside their parameter.
            self.optimizer.state[parameter] = {key.rsplit("/", 1)[1]: moments[key].to(parameter.device) for key in keys}
        random = load_file(folder / "random.safetensors")
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])


def _adamw(trainable: dict[str, torch.nn.Parameter], plan: Plan) -> torch.optim.AdamW:
    """Weight decay on matrices only: biases and norms are one-dimensional."""
    groups = [
        {"params": [p for p in trainable.values() if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in trainable.values() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=plan.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)
