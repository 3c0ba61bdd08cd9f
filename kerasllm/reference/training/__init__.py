"""Losses, optimizers, schedules."""
