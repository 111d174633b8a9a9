"""The help text of the app."""

HELP = """\
lamella shows a checkpoint as a folded tree, and what changed in it.

  up down, j k      move            space, left right   fold and unfold
  enter             look at it      o                   open a fold to its members
  tab, esc          other pane, back to the tree
  /                 filter by name: rows that hold all words stay; esc ends it
  r                 choose a reference to compare with
  m                 next metric     [ ]                 other slice of a 3-D weight
  w                 warnings        ctrl+p              all commands
  q                 quit

In the tree
  ● tunable  ○ frozen  ◆ adapter (delta)   ×12 twelve modules of one structure, folded
  = bit-identical to the reference   + not in the reference   ! something to know
A row under a fold means that place in every member of the fold: its numbers are theirs
together. A checkpoint on disk does not say what was trained: all is tunable until a plan or
an adapter says otherwise.

In the detail
  a parameter       its own matrix: model minus reference, averaged into cells
  anything else     layers across, parameter kinds down, one colour scale
"""
