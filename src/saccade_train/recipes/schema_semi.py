"""What the recipes say that learn from few labelled and many unlabelled pictures.

:class:`SemiRecipe` learns from both at once (FixMatch and its kin); :class:`MiningRecipe` in rounds
of ordinary trainings, whose models name the pictures of the next round (the FGVC7 entry, arXiv
2006.10702).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .schema import AugmentOptions, ClassifyRecipe, CropOptions, Fraction, Positive, _Part

__all__ = ["MiningOptions", "MiningRecipe", "SemiOptions", "SemiRecipe"]

Weight = Annotated[float, Field(ge=0.0)]


class SemiOptions(_Part):
    """How pseudo labels are made and how much they count."""

    method: Literal["fixmatch", "flexmatch", "softmatch", "freematch"] = "fixmatch"
    """See :mod:`saccade_train.semisup.thresholds`."""
    lambda_u: Weight = 1.0
    """Weight of the loss on unlabelled pictures."""
    mu: Positive = 7
    """Unlabelled pictures in a batch for each labelled one."""
    threshold: Fraction = 0.95
    """What the confidence must reach (fixmatch), or of a class that is learnt (flexmatch)."""
    warmup: bool = True
    """Whether pictures that were never selected hold the thresholds down (flexmatch)."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """Of the averages that thresholds follow (softmatch, freematch)."""
    sigmas: Annotated[float, Field(gt=0.0)] = 2.0
    """How narrow the weighting Gaussian is (softmatch)."""
    fairness: Weight = 0.01
    """Weight of the fairness term (freematch); .001 for CIFAR-10 with 40 labels."""
    outside: tuple[str, ...] = ()
    """Patterns such as ``*/out_of_class/*``: unlabelled pictures whose path fits one are known to
    be of none of the classes, and are left out."""


class SemiRecipe(ClassifyRecipe):
    """A classifier that learns from labelled and unlabelled pictures at once.

    An epoch is over when all pictures of either kind were seen, whichever takes more steps.
    """

    task: Literal["semi"] = "semi"  # type: ignore[assignment]
    semi: SemiOptions = SemiOptions()
    augment: AugmentOptions = AugmentOptions(crop=CropOptions(kind="pad", fill="reflect"))
    """Of labelled pictures, and of the weak views of the others."""
    strong: AugmentOptions = AugmentOptions(
        crop=CropOptions(kind="pad", fill="reflect"), policy="randaugment", randaugment_magnitude=10
    )
    """Of the strong views."""

    @model_validator(mode="after")
    def _unmixed(self) -> Self:
        for name in ("augment", "strong"):
            options = getattr(self, name)
            if options.mixup or options.cutmix:
                raise ValueError(
                    f"{name}.mixup and {name}.cutmix blend pictures, and a pseudo label is one "
                    "picture's; set them to 0"
                )
        return self


class MiningOptions(_Part):
    """How a round names pictures for the next one."""

    rounds: Positive = 2
    """Rounds with pseudo labels, after round 0 on labelled pictures alone."""
    thresholds: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.95, 0.90)
    """What the confidence must reach in round 1, 2, ...; the last one holds for all that follow.
    The entry's own are not published: these are the project's."""
    cap: Annotated[float, Field(ge=1.0)] | None = None
    """No class has more than ``cap`` times its labelled pictures, with pseudo labelled ones."""
    balance: Annotated[float, Field(gt=0.0)] | None = None
    """No class gains more than ``balance`` times the median gain, in shares of its labelled
    pictures."""
    targets: Literal["hard", "soft"] = "hard"
    """``soft``: the probabilities of the teachers, not only the likeliest class."""
    teachers: Positive = 1
    """The models of how many rounds name the pictures together, the newest ones."""
    flips: bool = True
    """Teachers look at each picture twice, the second time mirrored."""
    outside: tuple[str, ...] = ()
    """Patterns such as ``*/out_of_class/*``: pictures of the pool whose path fits one are known to
    be of none of the classes; they get no label."""
    reject: Literal["none", "max_prob", "energy"] = "none"
    """How pictures of none of the classes are found when nobody knows which they are."""
    reject_keep: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    """Share of the evaluation pictures that this filter must leave in."""
    round_epochs: tuple[Positive, ...] = ()
    """Epochs of round 0, 1, ..., the last one for all that follow; empty: ``epochs`` in each. With
    pseudo labels an epoch has more steps, so fewer of them cost as much."""
    augment: AugmentOptions | None = None
    """Of rounds 1 and up, where it is another one: students that learn under more noise than their
    teachers did may become better than they are (Noisy Student, arXiv 1911.04252)."""
    stop_early: bool = False
    """End when neither the number of pseudo labels nor the score has risen."""

    def threshold(self, round_: int) -> float:
        """That of a round, from 1 on."""
        return self.thresholds[min(round_ - 1, len(self.thresholds) - 1)]


class MiningRecipe(ClassifyRecipe):
    """Rounds of classification; each names unlabelled pictures for the next."""

    task: Literal["mining"] = "mining"  # type: ignore[assignment]
    mining: MiningOptions = MiningOptions()

    def of_round(self, round_: int) -> ClassifyRecipe:
        """The ordinary recipe of a round: all rounds start from the same weights."""
        values = self.model_dump(exclude={"task", "mining"})
        each = self.mining.round_epochs
        if each:
            values["epochs"] = each[min(round_, len(each) - 1)]
        if round_ and self.mining.augment is not None:
            values["augment"] = self.mining.augment
        return ClassifyRecipe.model_validate(values)
