"""Questions put to the simulation; no screen."""
