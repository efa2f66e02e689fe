"""Tracklets that match somebody on the watch list become events, and events reach who asked.

watch_list (who) -> matching (a tracklet against them) -> outbox (kept with the tracklet, in one
transaction) -> dispatcher -> sinks (webhook, mqtt, standard output). The service streams them, too.
"""
