"""Interventions: kinds of image change that a trigger could be, behind one interface."""
