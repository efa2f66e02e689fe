"""A video becomes tracklets in a gallery: sources, detector, tracker, light, quality, recording.

The folder is the flow of data: a *source* gives frames with their times, a *detector* finds people
in them, a *tracker* follows each, the *light* says by which modality, *quality* chooses the best
crops of each, and the *recorder* embeds them and adds the tracklet to the gallery. A Frigate has
followed people already: its tracks go to the recorder at once.
"""
