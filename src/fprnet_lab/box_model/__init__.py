"""Seeds become the model that ships with fprnet: people, a training, weights, scores, a card."""
