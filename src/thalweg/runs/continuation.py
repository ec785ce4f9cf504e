"""Going on with a text, character by character, as a trained network would."""

import torch

from thalweg.core import UsageError, law
from thalweg.core.random import generator
from thalweg.runs.run import Run


def continue_text(run: Run, prompt: str, *, length: int = 400, temperature: float = 0.8, seed: int = 0) -> str:
    """Return `length` characters that follow the prompt, drawn one after the other.

    p(next) = softmax(outputs / temperature) over the characters of the training text; the network sees the last
    window of them. Raises `UsageError` for a run that was not trained on text.
    """
    preparation = run.folder.preparation()
    if preparation.task != "language":
        raise UsageError(f"Only a run on text can go on with one; {run.name} was trained on {preparation.task}.")
    if not prompt:
        raise law("continue_text(prompt=...)", "must have at least one character", prompt)
    if temperature <= 0:
        raise law("continue_text(temperature=...)", "must lie in (0, inf)", temperature)
    module, window = run.model, preparation.input_shape[0]
    tokens = preparation.encode(prompt)[0]
    draws = generator(seed, "continue")
    written = []
    with torch.inference_mode():
        for _ in range(length):
            outputs = module(tokens[None, -window:])[0, -1]
            outputs[0] = -torch.inf  # code 0 stands for characters that the training text did not have
            chosen = torch.multinomial(torch.softmax(outputs / temperature, 0), 1, generator=draws)
            tokens = torch.cat([tokens, chosen])
            written.append(preparation.vocabulary[int(chosen)])
    return "".join(written)
