"""The training loop, on Lightning Fabric; what it teaches is a :class:`.task.Task`.

Read :func:`train` first: it sets up; :class:`_Training` steps. One optimiser step is a function of
the weights, the recipe and the step's number; nothing else is carried from step to step. So a
checkpoint at any step, and a resume from it, give the numbers of a run that was never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning_fabric import Fabric
from torch import Tensor

from saccade.errors import OptionError, TrainingError
from saccade_train.recipes import Recipe, dump_recipe

from .checkpoint import (
    load_state,
    load_tensors,
    optimiser_tensors,
    restore_optimiser,
    write_folder,
    write_text,
)
from .data import Places
from .ema import Ema
from .feed import Plan, step_seed
from .initial import load_initial
from .interrupt import Interrupt
from .memory import keep_freed_memory
from .opening import check_network, check_unlabelled, open_task
from .optimisers import build_optimiser
from .report import Report
from .run import Progress, clear_run, only_writer, resumable
from .schedules import learning_rate
from .setup import LoadedData, make_fabric
from .task import Task

__all__ = ["Summary", "train"]


@dataclass(frozen=True)
class Summary:
    """How a training went."""

    out: Path
    finished: bool
    """False when it was stopped by Ctrl-C or SIGTERM and saved."""
    stopped_by: int | None
    """The number of that signal."""
    scores: Mapping[str, float]
    """Of the best weights."""
    best_epoch: float
    last_scores: Mapping[str, float]
    steps: int
    epochs: float
    seconds: float
    images_per_second: float
    parameters: int
    train_pictures: int
    val_pictures: int
    skipped: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``summary.json``."""
        return {**asdict(self), "out": str(self.out)}


def train(
    recipe: Recipe,
    data: Places,
    out: Path | str,
    *,
    val: Places = (),
    unlabelled: Places = (),
    restart: bool = False,
    quiet: bool = False,
    device: str = "auto",
    tensorboard: bool = True,
    loaded: LoadedData | None = None,
) -> Summary:
    """Train a network, or go on with a training that was stopped.

    Args:
        recipe: What to do; see :func:`saccade_train.recipes.load_recipe`.
        data: Folder, list file or .zip pack of labelled pictures; several are joined. May be empty
            where the recipe draws its own data.
        out: The run folder. If it holds a checkpoint of the same recipe and pictures, the training
            goes on there.
        val: Pictures to evaluate with; without them the val splits of ``data``, or a holdout.
        unlabelled: Pictures without labels, for the tasks that learn from them.
        restart: Throw away what the run folder holds.
        quiet: Say nothing on the terminal.
        device: "auto", "cpu" or "cuda".
        tensorboard: Write ``tb/`` too.
        loaded: Pictures that :func:`~saccade_train.training.setup.load_data` has read before, for
            several trainings on the same ones.

    Returns:
        A summary; also written to ``summary.json`` when the training is finished.

    Raises:
        TrainingError: The run folder belongs to another training, or the loss is no longer a
            number.
        DatasetError: The pictures don't fit together.
        OptionError: The task cannot use unlabelled pictures.

    Example:
        >>> recipe = load_recipe("classify_small", ["epochs=5"])       # doctest: +SKIP
        >>> train(recipe, "flowers/", "runs/flowers").scores["top1"]   # doctest: +SKIP
        0.93
    """
    out = Path(out)
    fabric = make_fabric(recipe, device)
    lead = fabric.is_global_zero
    if recipe.batch_size % (recipe.accumulate * fabric.world_size):
        raise OptionError(
            f"batch_size={recipe.batch_size} cannot be split evenly over {fabric.world_size} "
            f"processes x accumulate={recipe.accumulate}"
        )
    # A wrong name or option must be said before the pictures are read.
    check_network(recipe)
    check_unlabelled(recipe, unlabelled)
    # Threads of ours work beside each other; OpenCV's own would only contend with them.
    cv2.setNumThreads(1)
    keep_freed_memory()
    speaker = Report(out, total=0, active=lead, quiet=quiet, files=False)
    task = open_task(
        recipe,
        data,
        val,
        unlabelled=unlabelled,
        out=out,
        fabric=fabric,
        report=speaker,
        loaded=loaded,
    )
    with only_writer(out) if lead else nullcontext():
        if lead and restart:
            clear_run(out)
        fabric.barrier()
        return _train(task, out, fabric, quiet=quiet, tensorboard=tensorboard)


def _train(
    task: Task,
    out: Path,
    fabric: Fabric,
    *,
    quiet: bool,
    tensorboard: bool,
) -> Summary:
    """Begin, or go on with what the folder holds, until the end or a signal."""
    lead = fabric.is_global_zero
    recipe = task.recipe
    found = resumable(out, recipe, task.fingerprint)
    progress = found[1] if found else Progress()
    plan = Plan(task.train_size, recipe.batch_size, recipe.accumulate, fabric.world_size)
    report = Report(
        out,
        total=plan.steps * recipe.epochs,
        step=progress.step,
        active=lead,
        quiet=quiet,
        tensorboard=tensorboard,
    )
    if lead:
        write_text(out / "recipe.yaml", dump_recipe(recipe))
        write_text(out / "classes.txt", "".join(f"{name}\n" for name in task.classes))
        write_text(out / "skipped.txt", "".join(f"{problem}\n" for problem in task.problems))
    training = _Training(task, out, fabric, report, plan, progress)
    if found:
        training.restore(found[0])
        report.say(f"going on with {out} at step {progress.step} of {report.total}")
        before = load_state(found[0]).get("processes", fabric.world_size)
        if before != fabric.world_size:
            report.say(
                f"note: it ran on {before} processes, now on {fabric.world_size}; batch-norm sees "
                "other shares of each batch, so the numbers will differ a little"
            )
    elif recipe.init:
        report.say(load_initial(task.deployed(training.model), recipe.init, training.look))
        training.reset_ema()
    try:
        return training.run()
    finally:
        report.close()


class _Training:
    """A training in progress."""

    def __init__(
        self,
        task: Task,
        out: Path,
        fabric: Fabric,
        report: Report,
        plan: Plan,
        progress: Progress,
    ) -> None:
        recipe = task.recipe
        self.recipe, self.task, self.out = recipe, task, out
        self.fabric, self.report, self.plan, self.progress = fabric, report, plan, progress
        self.total = plan.steps * recipe.epochs
        torch.manual_seed(recipe.seed)
        self.model = task.build()
        if recipe.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.to(fabric.device)
        self.optimiser = build_optimiser(self.model, recipe.optimiser)
        self.module: Any = fabric.setup_module(self.model)
        self.stepper: Any = fabric.setup_optimizers(self.optimiser)
        self.ema: Ema | None = None
        self.reset_ema()
        self.saved_at = time.monotonic()

    def reset_ema(self) -> None:
        """Let the moving average start from the present weights."""
        ema = self.recipe.ema
        if ema.decay > 0:
            cycle = ema.cycle_epochs * self.plan.steps
            self.ema = Ema(self.model, ema.decay, warmup=ema.warmup, cycle=cycle)

    @torch.no_grad()
    def look(self) -> None:
        """Run the networks on the first batch, and leave no trace of it.

        All processes look at the same one, so that they go on being alike.
        """
        kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        batches: Any = self.task.batches(self.plan, epoch=0, start=0, process=0)
        try:
            self.model.train()
            self.task.loss(self.model, next(batches), self.fabric.device, self.recipe.seed)
        finally:
            batches.close()
            self.model.load_state_dict(kept)

    # ------------------------------------------------------------------ the loop

    def run(self) -> Summary:
        """Step until the end or a signal."""
        progress, plan = self.progress, self.plan
        stopped: int | None = None
        with Interrupt() as interrupt, self.report.running(progress.step):
            while progress.step < self.total and stopped is None:
                epoch, start = divmod(progress.step, plan.steps)
                self.module.train()
                batches: Any = self.task.batches(
                    plan, epoch=epoch, start=start, process=self.fabric.global_rank
                )
                for _ in range(start, plan.steps):
                    stopped, save = self._step(batches, interrupt)
                    if progress.step % plan.steps == 0 and self._evaluation_due():
                        self._evaluate()
                    if save or stopped is not None or progress.step == self.total:
                        self._save()
                    if stopped is not None:
                        break
                batches.close()
        return self._finish(stopped)

    def _step(self, batches: Iterator[Any], interrupt: Interrupt) -> tuple[int | None, bool]:
        """One optimiser step; says which signal came, if any, and whether it is time to save."""
        began = time.perf_counter()
        recipe, progress = self.recipe, self.progress
        rate = learning_rate(
            progress.step,
            peak=recipe.optimiser.lr,
            schedule=recipe.schedule,
            steps_per_epoch=self.plan.steps,
            epochs=recipe.epochs,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss_sum = 0.0
        seen: list[Any] = []
        for piece in range(self.plan.pieces):
            batch = next(batches)
            seen.append(batch)
            last = piece == self.plan.pieces - 1
            # Gradients of several processes are averaged once, with the last piece.
            wait = nullcontext() if last else self.fabric.no_backward_sync(self.module)
            with wait:
                loss = self._loss(batch, piece)
                value = float(loss.detach())
                if not math.isfinite(value):
                    self._not_finite(f"the loss is {value}", seen)
                self.fabric.backward(loss / self.plan.pieces)
            loss_sum += value / self.plan.pieces
        if recipe.clip_grad > 0:
            norm = self.fabric.clip_gradients(
                self.module, self.stepper, max_norm=recipe.clip_grad, error_if_nonfinite=False
            )
            if norm is not None and not math.isfinite(float(norm)):
                self._not_finite(f"the gradient's norm is {float(norm)}", seen)
        self.stepper.step()
        self.stepper.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(self.model, progress.step)
        progress.step += 1
        save = time.monotonic() - self.saved_at >= recipe.save_seconds or (
            recipe.save_steps > 0 and progress.step % recipe.save_steps == 0
        )
        loss_sum, stopped, save = self._agree(loss_sum, interrupt.signal, save)
        progress.loss_sum += loss_sum
        progress.loss_count += 1
        spent = time.perf_counter() - began
        progress.seconds += spent
        progress.images_seconds += spent
        progress.log_seconds += spent
        self.report.tick(progress.step)
        if progress.step % recipe.log_every == 0 or progress.step == self.total:
            self._log(rate)
        return stopped, save

    def _loss(self, batch: Any, piece: int) -> Tensor:
        fabric = self.fabric
        seed = step_seed(self.recipe.seed, self.progress.step, piece, fabric.global_rank)
        torch.manual_seed(seed)
        return self.task.loss(self.module, batch, fabric.device, seed)

    def _agree(
        self, loss: float, stopped: int | None, save: bool
    ) -> tuple[float, int | None, bool]:
        """Let all processes know the mean loss, and stop or save together."""
        if self.fabric.world_size == 1:
            return loss, stopped, save
        # Each process fills in its row of a table of zeros; the sum is the whole table.
        table = torch.zeros(self.fabric.world_size, 3, device=self.fabric.device)
        mine = [loss, float(stopped or 0), float(save)]
        table[self.fabric.global_rank] = torch.tensor(mine, device=self.fabric.device)
        table = torch.as_tensor(self.fabric.all_reduce(table, reduce_op="sum")).cpu()
        signal = int(table[:, 1].max())
        return float(table[:, 0].mean()), signal or None, bool(table[:, 2].any())

    # ------------------------------------------------------------------ words and files

    def _log(self, rate: float) -> None:
        progress = self.progress
        values = {
            "loss": progress.loss_sum / progress.loss_count,
            "lr": rate,
            "images_per_second": round(
                progress.loss_count * self.plan.batch_size / max(1e-9, progress.log_seconds), 1
            ),
            "seconds": round(progress.seconds, 1),
        }
        progress.loss_sum, progress.loss_count, progress.log_seconds = 0.0, 0, 0.0
        self.report.log("train", progress.step, progress.step / self.plan.steps, values)

    def _not_finite(self, what: str, batches: Sequence[Any]) -> None:
        """Stop, naming the samples."""
        names = self.task.names(batches)
        file = self.out / "nan_batch.txt"
        write_text(file, "".join(f"{name}\n" for name in names))
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        rate = self.optimiser.param_groups[0]["lr"]
        raise TrainingError(
            f"{what} at step {self.progress.step + 1} (lr {rate:.4g}); its pictures: {shown}, all "
            f"listed in {file}; try a lower optimiser.lr, clip_grad=1 or a longer warm-up"
        )

    def _evaluation_due(self) -> bool:
        epoch = self.progress.step // self.plan.steps
        return epoch % self.recipe.eval_every == 0 or epoch == self.recipe.epochs

    def _evaluate(self) -> None:
        began = time.perf_counter()
        progress = self.progress
        self._share_statistics()
        whole = self.ema.module if self.ema is not None else self.model
        model = self.task.deployed(whole)
        scores = self.task.evaluate(self.fabric, model)
        decisive = self.task.decisive
        if not progress.best or scores[decisive] > progress.best[decisive]:
            progress.best, progress.best_step = scores, progress.step
            if self.fabric.is_global_zero:
                state = {"scores": scores, "step": progress.step}
                write_folder(self.out / "best", {"model": model.state_dict()}, state)
        progress.latest = scores
        progress.seconds += time.perf_counter() - began
        self.report.log("eval", progress.step, progress.step / self.plan.steps, scores)
        self.module.train()

    def _share_statistics(self) -> None:
        """Batch-norm statistics are the first process's, as in training under DDP."""
        if self.fabric.world_size > 1:
            for module in (self.model, *([self.ema.module] if self.ema else [])):
                for buffer in module.buffers():
                    torch.distributed.broadcast(buffer, 0)

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            tensors: dict[str, Mapping[str, Tensor]] = {
                "model": self.model.state_dict(),
                "optimiser": optimiser_tensors(self.optimiser),
            }
            if self.ema is not None:
                tensors["ema"] = self.ema.module.state_dict()
            state = {
                "progress": asdict(self.progress),
                "scores": self.progress.latest,
                "recipe": self.recipe.model_dump(mode="json"),
                "data": self.task.fingerprint,
                "processes": self.fabric.world_size,
            }
            write_folder(self.out / "last", tensors, state)
        self.saved_at = time.monotonic()

    def restore(self, folder: Path) -> None:
        """Load a checkpoint."""
        self.model.load_state_dict(load_tensors(folder / "model.safetensors"))
        restore_optimiser(self.optimiser, load_tensors(folder / "optimiser.safetensors"))
        if self.ema is not None:
            self.ema.module.load_state_dict(load_tensors(folder / "ema.safetensors"))

    def _finish(self, stopped: int | None) -> Summary:
        progress, plan = self.progress, self.plan
        summary = Summary(
            out=self.out,
            finished=stopped is None,
            stopped_by=stopped,
            scores=progress.best,
            best_epoch=progress.best_step / plan.steps,
            last_scores=progress.latest,
            steps=progress.step,
            epochs=progress.step / plan.steps,
            seconds=round(progress.seconds, 1),
            images_per_second=round(
                progress.step * plan.batch_size / max(1e-9, progress.images_seconds), 1
            ),
            parameters=sum(p.numel() for p in self.model.parameters()),
            train_pictures=self.task.train_size,
            val_pictures=self.task.val_size,
            skipped=len(self.task.problems),
        )
        if self.fabric.is_global_zero and summary.finished:
            # Some broken samples are found on the way only.
            problems = "".join(f"{problem}\n" for problem in self.task.problems)
            write_text(self.out / "skipped.txt", problems)
            write_text(self.out / "summary.json", json.dumps(summary.to_dict(), indent=1) + "\n")
        return summary
