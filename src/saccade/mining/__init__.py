"""Mining of unlabelled pictures: scored by a teacher, freed of copies, the best of each class.

::

    from saccade.mining import label_pool

    report = label_pool("teacher.onnx", ["photos/"], "mined/", per_class=100, val=["val/"])
    report.classes, report.leaks

* :mod:`saccade.mining.label`: the whole, behind ``saccade label``;
* :mod:`saccade.mining.pool`: the pictures of folders, lists and packs, one after the other;
* :mod:`saccade.mining.hashing`, :mod:`~saccade.mining.sift`, :mod:`~saccade.mining.duplicates`:
  near-copies;
* :mod:`saccade.mining.scores`, :mod:`~saccade.mining.select`: best class, and the best of a class;
* :mod:`saccade.mining.scoring`, :mod:`~saccade.mining.journal`: the pass over a pool, resumable;
* :mod:`saccade.mining.output`, :mod:`~saccade.mining.report`: what is written and told.
"""

from saccade.mining.label import label_pool
from saccade.mining.report import LabelReport, Leak

__all__ = ["LabelReport", "Leak", "label_pool"]
