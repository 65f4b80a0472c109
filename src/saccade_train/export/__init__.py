"""From a trained model to a file that runs without PyTorch, and the proof that both agree."""
