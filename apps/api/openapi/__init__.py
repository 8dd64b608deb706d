"""The API as an OpenAPI document, from the same declarations as v1's own schemas."""
