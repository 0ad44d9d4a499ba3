"""What the operator, the trainer and the facade share: resource types, words, volume layout, exit codes.

The three are upgraded at different times and never import each other; everything on which they must
agree stands here, in pydantic and the standard library alone.
"""
