"""An empty folder becomes a report: people drawn, two models trained, both scored beside floors."""
