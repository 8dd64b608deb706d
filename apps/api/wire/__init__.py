"""A small framework: v1 types are declared, and schemas, URLs, answers and refusals are read off the declarations."""
