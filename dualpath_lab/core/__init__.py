"""The simulation: engines, loader, network, scheduler and batching on a SimPy clock; knows no screen."""
