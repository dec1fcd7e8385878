"""`simgen doctor`: whether this machine has what simgen needs."""

import click

SECTION = "See what can be made"


@click.command()
@click.argument("checks", nargs=-1, metavar="[CHECK]...")
def doctor(checks: tuple[str, ...]) -> int:
    """Check this machine.

    One line for each thing that `simgen generate` needs, and what to do where it is missing. Name a CHECK to make that
    one alone: `simgen doctor render` makes a small picture, `simgen doctor train` looks at what training needs.
    """
    from simgen.cli.checks import GENERATE_CHECKS, run_checks

    failed = 0
    for result in run_checks(checks or GENERATE_CHECKS):
        click.echo(f"{'ok  ' if result.ok else 'FAIL'}  {result.name:<10} {result.detail}")
        if not result.ok:
            failed += 1
            click.echo(f"      {'':<10} {result.remedy}")
    return 1 if failed else 0
