"""Seeds become the model that ships with fprnet: rendered people, a training, weights and a card."""
