"""x"""


def bake(*a): ...
