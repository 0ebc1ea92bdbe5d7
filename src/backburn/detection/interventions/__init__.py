"""Interventions: kinds of change that a trigger could be, each with one interface."""
