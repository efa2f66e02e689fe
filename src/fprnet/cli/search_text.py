"""An answer becomes the lines that ``fprnet search`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fprnet.embeddings.explanation import Explanation
    from fprnet.gallery.answers import Answer, Decision, RankedMatch

__all__ = ["answer_text"]


def answer_text(answer: Answer, explained: Mapping[int, Explanation]) -> str:
    """Return the lines of an answer: the verdict, its matches, its people, and explanations.

    Args:
        answer: Answer to one query.
        explained: Explanations by the rank of their match.
    """
    lines = []
    if answer.decision is not None:
        decision = answer.decision
        reached = "" if decision.in_gallery else "no match reaches the "
        lines.append(
            f"{answer.verdict}: {reached}threshold {_limits(answer, decision)} for a false-match "
            f"rate of {decision.false_match_rate:g} among {answer.candidates} images"
        )
        if answer.best_probability is not None and not decision.in_gallery:
            lines[-1] += (
                "; if the person is there, the best match is right with probability "
                f"{answer.best_probability:.2f}"
            )
    else:
        lines.append(
            f"{answer.candidates} images searched; 'fprnet calibrate' gives probabilities and "
            "whether the person is there at all"
        )
    lines.append(_table(answer.matches))
    for person in answer.people:
        who = "unknown" if person.identity is None else person.identity
        ranks = ", ".join(str(rank) for rank in person.matches)
        lines.append(f"person {who}: similarity {person.similarity:.4f}, ranks {ranks}")
    for rank, explanation in explained.items():
        parts = ", ".join(f"{part.name} {part.cosine:+.3f}" for part in explanation.parts)
        lines.append(
            f"match {rank}: {explanation.similarity:+.4f}, the mean of its levels: {parts}"
        )
        for part in explanation.parts:
            if len(part.query_stripes) > 1:
                stripes = " ".join(f"{share:+.4f}" for share in part.query_stripes)
                lines.append(f"  {part.name}, head to feet: {stripes}")
    return "\n".join(lines)


def _limits(answer: Answer, decision: Decision) -> str:
    """Return the thresholds of the matches: day and night, and one of the same light."""
    modalities = {match.modality for match in answer.matches}
    between, own = f"{decision.threshold:.3f}", decision.same_modality_threshold
    if own is None or answer.modality not in modalities:
        return between
    within = f"{own:.3f}"
    return within if len(modalities) == 1 else f"{between} ({within} of {answer.modality} ones)"


def _table(matches: Sequence[RankedMatch]) -> str:
    """Return a line for each match; a star marks those that reach the threshold."""
    from fprnet.text_table import text_table

    rows = []
    for match in matches:
        record = match.as_dict()
        known = [record[name] for name in ("camera", "location", "time", "identity")]
        facts = ["-" if value is None else str(value) for value in known]
        probability = "" if match.probability is None else f"{match.probability:.3f}"
        mark = "*" if match.accepted else ""
        rows.append(
            [str(match.rank), f"{match.similarity:.4f}", probability, mark, *facts, match.path]
        )
    head = ["rank", "similarity", "probability", "", "camera", "location", "time", "identity"]
    return text_table([*head, "image"], rows, left=(3, 4, 5, 6, 7, 8))
