"""What every training leaves on the disk: a run folder and its checkpoints."""
