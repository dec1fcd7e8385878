"""One file per command: a file is a command because it is here.

`NAME.py` defines `NAME`, a click command or group that returns its exit code (None is 0), and `SECTION`, its heading in
`simgen --help` (`simgen.cli.app.SECTIONS` has their order). Underscores in the name of the file are hyphens on the
command line. Heavy modules are imported inside the functions: `simgen --help` imports every file of this folder.
"""
