"""Promotions: a revision of a stack brought from one environment to another, approved and at times if need be."""
