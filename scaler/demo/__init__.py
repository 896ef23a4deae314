"""`scaler demo`: a burst on a real Redis server, worked off by replicas that come from zero and go back."""
