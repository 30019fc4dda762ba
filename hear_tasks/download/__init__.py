"""Bringing what runs and evaluations need: our weights, those of the peers, the tarballs of the tasks, data sets."""
