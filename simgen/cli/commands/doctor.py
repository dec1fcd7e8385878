"""`simgen doctor`: whether this machine has what simgen needs."""

import click

SECTION = "See what can be made"


@click.command()
@click.argument("checks", nargs=-1, metavar="[CHECK]...")
def doctor(checks: tuple[str, ...]) -> int:
    """Check this machine.

    One line for each thing that `simgen generate` needs, with a remedy where it is missing; or for those named, such as
    render, which makes a picture that is known beforehand, or train.
    """
    from simgen.cli.checks import GENERATE_CHECKS, run_checks

    failed = 0
    for result in run_checks(checks or GENERATE_CHECKS):
        click.echo(f"{'ok  ' if result.ok else 'FAIL'}  {result.name:<10} {result.detail}")
        if not result.ok:
            failed += 1
            click.echo(f"      {'':<10} {result.remedy}")
    return 1 if failed else 0
