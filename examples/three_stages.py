"""A producer, a doubling stage with four processes, a printer: joined by bounded channels."""

from penstock import Flow, stage


@stage(pool="process", workers=4, order="input")
def double(number: int) -> int:
    return number * 2


if __name__ == "__main__":
    (Flow("doubles") | range(1, 11) | double | print).run()
