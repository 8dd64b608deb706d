"""Trust in the identity tokens of other systems: jobs of CI exchange theirs for short keys of an environment."""
